//! `import`: to be written.

use super::{Failure, Said, Surroundings};

/// Options of `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs it.
pub(super) async fn run(_arguments: &Args, _around: &Surroundings) -> Result<Said, Failure> {
    Err(Failure::new("import cannot be done yet"))
}
