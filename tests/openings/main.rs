//! Tests openings, the periods in which distribution is open. The tests compare the program's
//! results with a simple oracle that evaluates each minute separately, and check openings at the
//! limits of the type `Timestamp`.

mod far;
mod oracle;
mod random;
mod recurring;
mod year;
