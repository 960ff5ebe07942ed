//! Finds the message of a failed installation in the details of its feedback.

use super::{Execution, Feedback, Finished};
use crate::api::Text;
use crate::api::reported_text::MESSAGE;
use crate::ddi::cleaning::{beginning, visible};

/// Beginnings of details that are errors: of swupdate, of its log, and of rauc-hawkbit-updater.
const MARKERS: [&str; 3] = ["ERROR", "[ERROR]", "LastError"];
/// Errors that only repeat that an installation has failed. swupdate and the RAUC clients send them
/// after the error that explains it.
const SUMMARIES: [&str; 7] = [
    "SWUpdate *failed* !",
    "Image invalid or corrupted. Not installing",
    "Error processing update chunk named",
    "Installing Update Chunk Artifacts failed.",
    "No suitable .swu image found",
    "Failed to install software bundle.",
    "Rauc bundle update completed with result:",
];
/// Maximum length of a message before it is cleaned, in bytes.
const MAX_MESSAGE_BYTES: usize = 512;

/// The error that explains the failure of an action: the last one that the agent reports before it
/// closes the action. The closing feedback often contains only a summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorText(Option<Box<str>>);

impl ErrorText {
    /// Records the last error in the feedback of an action that is not closed. Begin with an empty
    /// text when the agent [begins again](Feedback::begins_installation).
    pub fn observe(&mut self, feedback: &Feedback) {
        if let Some(error) = last_error(feedback) {
            self.0 = Some(error.into());
        }
    }

    /// Returns the message of a failure, in a form that `lastError.message` accepts: on one line, at
    /// most 128 characters, without control and format characters. `closing` is the feedback that
    /// closes the action. Returns `None` if the agent gives no reason.
    #[must_use]
    pub fn message(&self, closing: &Feedback) -> Option<Text> {
        let recorded = self.0.as_deref();
        let is_message = |detail: &&str| detail.contains(char::is_alphanumeric);
        let details = || closing.details.iter().map(|detail| detail.trim()).rfind(is_message);
        let message = recorded.or_else(|| last_error(closing)).or_else(details)?;
        let message = visible(beginning(message, MAX_MESSAGE_BYTES));
        Some(Text::from(MESSAGE.fit(&message, "…"))).filter(|message| !message.is_empty())
    }
}

/// Returns whether a detail is marked as an error that explains a failure.
pub(super) fn names_error(detail: &str) -> bool {
    error(detail).is_some()
}

/// Returns the last error in a feedback. The Python RAUC client sends an error as the only detail
/// of a report that is proceeding and failed.
fn last_error(feedback: &Feedback) -> Option<&str> {
    let is_error =
        (feedback.execution, feedback.finished) == (Execution::Proceeding, Finished::Failure);
    let details = || feedback.details.iter().rev();
    let unmarked = || details().find_map(|detail| explanation(detail)).filter(|_| is_error);
    details().find_map(|detail| error(detail)).or_else(unmarked)
}

/// Returns the text of a detail that is marked as an error, without the marker.
fn error(detail: &str) -> Option<&str> {
    let detail = detail.trim_start();
    let text = MARKERS.iter().find_map(|marker| detail.strip_prefix(marker))?;
    // `ERRORS` is not marked, and neither is `ERROR_COUNT`.
    let is_marked = !text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let text = text.trim_start_matches([' ', ':']);
    // swupdate's log has the form `[ERROR] : SWUPDATE failed [0] ERROR : text`.
    let inner = text.strip_prefix("SWUPDATE failed [").and_then(|text| text.split_once("] "));
    let text = match inner {
        Some((_, text)) => {
            text.strip_prefix("ERROR").unwrap_or(text).trim_start_matches([' ', ':'])
        }
        None => text,
    };
    explanation(text).filter(|_| is_marked)
}

/// Returns a text if it explains a failure: it has words, and is not a [summary](SUMMARIES).
fn explanation(text: &str) -> Option<&str> {
    let text = text.trim();
    let has_words = text.contains(char::is_alphanumeric);
    let is_summary = SUMMARIES.iter().any(|summary| text.contains(summary));
    (has_words && !is_summary).then_some(text)
}
