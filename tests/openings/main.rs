//! Tests openings against a naive oracle that evaluates each minute separately, and at the limits
//! of instants.

mod far;
mod oracle;
mod random;
mod year;
