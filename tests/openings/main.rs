//! Openings against a naive oracle that looks at each minute on its own, and at the ends of time.

mod far;
mod oracle;
mod random;
mod year;
