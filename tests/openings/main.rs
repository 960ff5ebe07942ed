//! Compares the openings (periods of open distribution) that the program computes with the results
//! of a simple oracle that evaluates each minute separately. Also tests openings at the limits of
//! the type `Timestamp`.

mod far;
mod oracle;
mod random;
mod year;
