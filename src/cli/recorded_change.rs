//! Defines the annotations in which `halt`, `resume` and `settings --select` record who changed a
//! policy and when. Does no I/O.
//!
//! Everyone who may write a policy can write these annotations too, so they are text of others and
//! no evidence.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::gitops::managers_of_field;
use super::terminal::table::printable;
use super::terminal::times::TimeFormatter;
use crate::values::{Timestamp, parse_rfc3339, rfc3339};

const CHANGED_BY: &str = "clientfleet.dev/changed-by";
const CHANGED_AT: &str = "clientfleet.dev/changed-at";
/// Maximum length of a user name that is recorded or shown, in characters.
const MAX_NAME_CHARS: usize = 256;
/// Field manager of `halt` and `resume`.
pub(super) const HALT_MANAGER: &str = "clientfleet-halt";
/// Field manager of `settings --select`.
pub(super) const SETTINGS_MANAGER: &str = "clientfleet-settings";

/// Who changed a policy with this program, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordedChange {
    /// Name of the user; `None` if the API server did not return it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
}

impl RecordedChange {
    /// Creates the record of a change that `user` makes at the instant `at`.
    pub fn new(user: Option<&str>, at: Timestamp) -> Self {
        Self { changed_by: user.and_then(bounded), changed_at: Some(at) }
    }

    /// Creates the record of a change by a user whose name was asked for. Also returns why the name
    /// is not known.
    pub fn by_user(name: Result<String, String>, at: Timestamp) -> (Self, Option<String>) {
        (Self::new(name.as_deref().ok(), at), name.err())
    }

    /// Reads the record from the annotations of a policy.
    pub fn of(metadata: &ObjectMeta) -> Self {
        Self::read(|key| metadata.annotations.as_ref()?.get(key).map(String::as_str))
    }

    /// Reads the record from the annotations of a policy, unless another field manager has changed
    /// the setting since: then the record says nothing about the present setting.
    pub fn of_setting(metadata: &ObjectMeta) -> Self {
        let is_present = metadata.managed_fields.as_ref().is_none_or(Vec::is_empty)
            || managers_of_field(metadata, "upgrade")
                .any(|manager| [HALT_MANAGER, SETTINGS_MANAGER].contains(&manager));
        if is_present { Self::of(metadata) } else { Self::default() }
    }

    /// Reads the record from an object in a file, as JSON.
    pub fn of_object(object: &Value) -> Self {
        let annotations = object.pointer("/metadata/annotations");
        Self::read(|key| annotations?.get(key)?.as_str())
    }

    fn read<'a>(annotation: impl Fn(&'static str) -> Option<&'a str>) -> Self {
        Self {
            changed_by: annotation(CHANGED_BY).and_then(bounded),
            changed_at: annotation(CHANGED_AT).and_then(parse_rfc3339),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the annotations that record the change.
    pub fn annotations(&self) -> BTreeMap<&'static str, String> {
        let at = self.changed_at.map(rfc3339);
        let by = self.changed_by.clone().map(|by| (CHANGED_BY, by));
        by.into_iter().chain(at.map(|at| (CHANGED_AT, at))).collect()
    }

    /// Returns the annotations for a merge patch, with null for a user who is not known, so that no
    /// earlier user is named with the new time.
    pub fn merge_patch(&self) -> Value {
        let mut patch =
            Map::from_iter([CHANGED_BY, CHANGED_AT].map(|key| (key.into(), json!(null))));
        let annotations = self.annotations().into_iter();
        patch.extend(annotations.map(|(key, value)| (key.to_owned(), Value::from(value))));
        Value::Object(patch)
    }

    /// Returns ` by anna@example.com`, or an empty text if the user is not known.
    pub fn by(&self) -> String {
        let by = self.changed_by.as_deref().map(|by| format!(" by {}", printable(by)));
        by.unwrap_or_default()
    }

    /// Returns `set by anna@example.com on Tue 24 Nov 13:00 (5m ago)`, or `None` if nothing is
    /// recorded.
    pub fn shown(&self, reader: &TimeFormatter) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let at =
            self.changed_at.map(|at| format!(" on {} ({})", reader.moment(at), reader.ago(at)));
        Some(format!("set{}{}", self.by(), at.unwrap_or_default()))
    }
}

/// Returns the start of a name that is too long, or `None` if the name is blank.
fn bounded(name: &str) -> Option<String> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    Some(match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: Value) -> ObjectMeta {
        serde_json::from_value(value).expect("metadata")
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let at = "2026-11-24T12:00:00Z".parse().expect("a time");
        for user in [Some("anna@example.com"), None] {
            let change = RecordedChange::new(user, at);
            let read = metadata(json!({"annotations": change.annotations()}));
            assert_eq!(RecordedChange::of(&read), change);
        }
        let patch = RecordedChange::new(None, at).merge_patch();
        assert_eq!(patch, json!({CHANGED_BY: null, CHANGED_AT: "2026-11-24T12:00:00Z"}));
    }

    #[test]
    fn text_of_others_is_bounded_and_need_not_be_a_time() {
        let long = "ä".repeat(MAX_NAME_CHARS + 1);
        let read = metadata(json!({"annotations": {CHANGED_BY: long, CHANGED_AT: "yesterday"}}));
        let change = RecordedChange::of(&read);
        assert_eq!(change.changed_at, None);
        let name = change.changed_by.expect("a name");
        assert_eq!(name, "ä".repeat(MAX_NAME_CHARS) + "…");
        let blank = metadata(json!({"annotations": {CHANGED_BY: " \t"}}));
        assert!(RecordedChange::of(&blank).is_empty());
    }

    #[test]
    fn a_setting_that_another_manager_has_changed_is_not_attributed() {
        let by = |manager: &str| {
            let upgrade = json!({"f:spec": {"f:upgrade": {"f:mode": {}}}});
            let entry = json!({"manager": manager, "operation": "Apply", "fieldsV1": upgrade});
            let annotations = json!({CHANGED_BY: "anna"});
            let read = metadata(json!({"annotations": annotations, "managedFields": [entry]}));
            RecordedChange::of_setting(&read).changed_by
        };
        assert_eq!(by("clientfleet-settings").as_deref(), Some("anna"));
        assert_eq!(by("kustomize-controller"), None);
    }
}
