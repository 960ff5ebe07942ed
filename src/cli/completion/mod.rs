//! `completion`: to be written.

use super::{Failure, Said};

/// Options of `completion`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs it.
pub(super) fn run(_arguments: &Args) -> Result<Said, Failure> {
    Err(Failure::new("completion cannot be done yet"))
}
