//! Tests openings, the periods in which distribution is open. Compares the program's results with a
//! simple oracle that evaluates each minute separately, and tests openings at the limits of the
//! type `Timestamp`.

mod far;
mod oracle;
mod random;
mod year;
