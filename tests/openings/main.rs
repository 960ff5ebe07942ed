//! Compares openings with a simple oracle that evaluates each minute separately. Also tests
//! openings at the limits of the type `Timestamp`.

mod far;
mod oracle;
mod random;
mod year;
