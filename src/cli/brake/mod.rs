//! `halt` and `resume`: to be written.

use super::{Failure, Said, Surroundings};

/// Options of `halt`.
#[derive(Debug, clap::Args)]
pub(crate) struct HaltArgs {}

/// Options of `resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {}

/// Halts.
pub(super) async fn halt(_arguments: &HaltArgs, _around: &Surroundings) -> Result<Said, Failure> {
    Err(Failure::new("halt cannot be done yet"))
}

/// Resumes.
pub(super) async fn resume(
    _arguments: &ResumeArgs,
    _around: &Surroundings,
) -> Result<Said, Failure> {
    Err(Failure::new("resume cannot be done yet"))
}
