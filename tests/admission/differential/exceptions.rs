//! Lists the documents that server-side apply accepts and the program refuses, with the reasons.

use super::Generated;

/// Number of different reasons.
pub const COUNT: usize = 3;

/// Fields of `metadata` that only the API server sets.
const SERVER_FIELDS: [&str; 4] =
    ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"];

/// Returns the reason why the program may refuse a document that server-side apply accepts; `None`
/// if it must not.
pub fn of(document: &Generated, own: &[String]) -> Option<&'static str> {
    let all = |fragment: &str| own.iter().all(|problem| problem.contains(fragment));
    let edits = |place: &str| document.edits.iter().any(|edit| edit.at.starts_with(place));
    if all(": is empty (null): ") {
        return Some("a key without a value, which the API server drops or replaces by a default");
    }
    if all(", status: this is not what the controller writes") && edits("/status") {
        return Some("a status that no controller wrote, which the API server ignores");
    }
    let is_set_by_server = |field: &&str| edits(&format!("/metadata/{field}"));
    if all(", metadata: this cannot be read") && SERVER_FIELDS.iter().any(is_set_by_server) {
        return Some("a field of metadata that the API server ignores, because it sets it");
    }
    None
}

/// Returns whether the API server refused the document because of other objects in the cluster,
/// which the program cannot know.
pub fn is_of_cluster(message: &str) -> bool {
    let is_about =
        |beginning: &str, end: &str| message.starts_with(beginning) && message.ends_with(end);
    is_about("namespaces \"", "\" not found") || message.contains("uid mismatch")
}
