//! Reads the feedback that an agent sends about an action.
//!
//! Any body is feedback: a refused report costs an installation with swupdate, and is lost with
//! rauc-hawkbit-updater. What cannot be read counts as a sign of life.

mod document;
mod error_text;
mod scan;

pub use error_text::ErrorText;

use super::cleaning::beginning;
use super::lenient_json;

/// Maximum length of a body that is read, in bytes. The longest body of swupdate has 48 lines of its
/// log, each of up to 2 KB.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Maximum number of details that are kept.
const MAX_DETAILS: usize = 32;
/// Maximum length of a detail that is kept, in bytes.
const MAX_DETAIL_BYTES: usize = 1024;

/// What an agent does with an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Execution {
    /// It has finished the action; see [`Finished`] for the result.
    Closed,
    /// It works on the action. Unknown values count as this one.
    #[default]
    Proceeding,
    /// It has canceled the action.
    Canceled,
    /// It will begin later.
    Scheduled,
    /// It does not want to do what it is asked for.
    Rejected,
    /// It goes on after a break.
    Resumed,
    /// It downloads.
    Download,
    /// It has downloaded, and installs later.
    Downloaded,
}

/// Result of an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finished {
    /// The agent reports no result yet. In a closed action it is a success, as in hawkBit.
    #[default]
    None,
    /// The agent has succeeded.
    Success,
    /// The agent has failed. Unknown values count as this one, because a version is staged only
    /// after a success.
    Failure,
}

/// How far an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Steps that are done, of all steps: `{"cnt": 1, "of": 5}`.
    Steps {
        /// Number of steps that are done.
        done: u64,
        /// Number of all steps.
        of: u64,
    },
    /// Percentage from 0 to 100, which the Python RAUC client sends: `{"percentage": 20}`.
    Percentage(u8),
}

/// How an agent has finished an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has installed the version.
    Succeeded,
    /// It has failed.
    Failed,
}

/// Feedback about an action. Its id is in the path; the id in the body is ignored, because agents
/// write it as a number, as text, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// What the agent does.
    pub execution: Execution,
    /// Result.
    pub finished: Finished,
    /// Progress.
    pub progress: Option<Progress>,
    /// Code of the agent's own, such as an exit status.
    pub code: Option<i64>,
    /// The last 32 messages, each of at most 1,024 bytes. If none of them is an error, the last
    /// error is the first of them.
    pub details: Vec<String>,
}

impl Feedback {
    /// Reads a body. Only its first [`MAX_BODY_BYTES`] count.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let body = &body[..body.len().min(MAX_BODY_BYTES)];
        match lenient_json::parse(body) {
            Some(document) => document::read(&document),
            None => scan::read(&lenient_json::decode(body)),
        }
    }

    /// Returns how the agent has finished the action; `None` if it has not closed it.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match (self.execution, self.finished) {
            (Execution::Closed, Finished::Failure) => Some(Outcome::Failed),
            (Execution::Closed, Finished::Success | Finished::None) => Some(Outcome::Succeeded),
            _ => None,
        }
    }

    /// Returns whether swupdate begins an installation. It may have failed at the same action before.
    #[must_use]
    pub fn begins_installation(&self) -> bool {
        self.details.iter().any(|detail| detail == "Installing Update Chunk Artifacts.")
    }

    /// Returns whether swupdate reports that all is installed and takes effect after the restart.
    /// This is a hint only: swupdate 2022.12 once reported it for a failed installation.
    #[must_use]
    pub fn awaits_restart(&self) -> bool {
        let is_complete =
            matches!(self.progress, Some(Progress::Steps { done, of }) if of > 0 && done >= of);
        self.execution == Execution::Proceeding
            && is_complete
            && self.details.iter().any(|detail| detail == "All Chunks Installed.")
    }
}

fn execution(text: &str) -> Execution {
    match text.to_ascii_lowercase().as_str() {
        "closed" => Execution::Closed,
        "canceled" => Execution::Canceled,
        "scheduled" => Execution::Scheduled,
        "rejected" => Execution::Rejected,
        "resumed" => Execution::Resumed,
        "download" => Execution::Download,
        "downloaded" => Execution::Downloaded,
        _ => Execution::Proceeding,
    }
}

fn finished(text: &str) -> Finished {
    match text.to_ascii_lowercase().as_str() {
        "success" => Finished::Success,
        "none" | "" => Finished::None,
        _ => Finished::Failure,
    }
}

/// Returns the progress, given the values of `cnt`, `of` and `percentage`.
fn progress(done: Option<u64>, of: Option<u64>, percentage: Option<u64>) -> Option<Progress> {
    let steps = done.zip(of).map(|(done, of)| Progress::Steps { done, of });
    steps.or(percentage.map(|percentage| Progress::Percentage(percentage.min(100) as u8)))
}

/// Returns the details that are kept: the last ones, and the last error in any case.
fn kept(mut details: Vec<String>) -> Vec<String> {
    let mut last = details.split_off(details.len().saturating_sub(MAX_DETAILS));
    if !last.iter().any(|detail| error_text::names_error(detail)) {
        let error = details.into_iter().rfind(|detail| error_text::names_error(detail));
        if let Some((first, error)) = last.first_mut().zip(error) {
            *first = error;
        }
    }
    for detail in &mut last {
        detail.truncate(beginning(detail, MAX_DETAIL_BYTES).len());
    }
    last
}
