//! Defines a client's report and how it changes the stored facts. A report contains only the fields
//! that the client has sent.

use crate::api::Text;
use crate::api::fleet::{LastError, Reported};
use crate::plan::version_text::is_same_version;
use crate::values::{Timestamp, parse_rfc3339, rfc3339};

/// What a client has reported since its facts were last written. `None` keeps a fact, and
/// `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Version that the client runs.
    pub version: Option<Text>,
    /// Version that takes effect at the next restart.
    pub staged_version: Option<Option<Text>>,
    /// Failed installation.
    pub last_error: Option<LastError>,
    /// Name of the computer.
    pub computer: Option<Option<Text>>,
    /// User who logged in last.
    pub last_user: Option<Option<Text>>,
    /// Addresses of the client.
    pub ip: Option<Text>,
    /// When the client was last heard of.
    pub last_seen: Option<Timestamp>,
}

impl Report {
    /// Returns the report of a client that polled and reported nothing.
    #[must_use]
    pub fn seen(now: Timestamp) -> Self {
        Self { last_seen: Some(now), ..Self::default() }
    }

    /// Adds a later report of the same client.
    pub fn merge(&mut self, later: Self) {
        fn take<T>(into: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *into = later;
            }
        }
        take(&mut self.version, later.version);
        take(&mut self.staged_version, later.staged_version);
        take(&mut self.last_error, later.last_error);
        take(&mut self.computer, later.computer);
        take(&mut self.last_user, later.last_user);
        take(&mut self.ip, later.ip);
        self.last_seen = self.last_seen.max(later.last_seen);
    }

    /// Returns whether the report contains nothing but `lastSeen`.
    #[must_use]
    pub fn is_only_seen(&self) -> bool {
        *self == Self { last_seen: self.last_seen, ..Self::default() }
    }

    /// Removes the fact with this name in the API, as `lastUser`, from the report. Returns whether
    /// the report had it.
    pub fn remove(&mut self, field: &str) -> bool {
        match field {
            "version" => self.version.take().is_some(),
            "stagedVersion" => self.staged_version.take().is_some(),
            "lastError" => self.last_error.take().is_some(),
            "computer" => self.computer.take().is_some(),
            "lastUser" => self.last_user.take().is_some(),
            "ip" => self.ip.take().is_some(),
            "lastSeen" => self.last_seen.take().is_some(),
            _ => false,
        }
    }

    /// Returns whether the report changes a fact that decides about the client's upgrade.
    #[must_use]
    pub fn changes_state(&self, stored: Option<&Reported>) -> bool {
        let before = stored.cloned().unwrap_or_default();
        let after = self.apply(stored);
        (after.version, after.staged_version, after.last_error)
            != (before.version, before.staged_version, before.last_error)
    }

    /// Returns whether the report changes anything but `lastSeen`.
    #[must_use]
    pub fn changes_facts(&self, stored: Option<&Reported>) -> bool {
        let before = stored.cloned().unwrap_or_default();
        Reported { last_seen: before.last_seen.clone(), ..self.apply(stored) } != before
    }

    /// Returns the facts after the report.
    #[must_use]
    pub fn apply(&self, stored: Option<&Reported>) -> Reported {
        let mut facts = stored.cloned().unwrap_or_default();
        for (fact, reported) in [
            (&mut facts.computer, &self.computer),
            (&mut facts.last_user, &self.last_user),
            (&mut facts.staged_version, &self.staged_version),
        ] {
            if let Some(reported) = reported {
                fact.clone_from(reported);
            }
        }
        for (fact, reported) in [(&mut facts.version, &self.version), (&mut facts.ip, &self.ip)] {
            if reported.is_some() {
                fact.clone_from(reported);
            }
        }
        // A version that runs is not staged.
        let runs_staged = facts.version.as_ref().zip(facts.staged_version.as_ref());
        if runs_staged.is_some_and(|(version, staged)| is_same_version(version, staged)) {
            facts.staged_version = None;
        }
        if let Some(error) = &self.last_error {
            facts.last_error = Some(Box::new(error.clone()));
        }
        if let Some(seen) = self.last_seen {
            facts.last_seen = Some(later_of(facts.last_seen, seen));
        }
        facts
    }
}

/// Returns the later one of the stored instant and `seen`, because `lastSeen` never goes back. An
/// instant that cannot be read is replaced.
fn later_of(stored: Option<Text>, seen: Timestamp) -> Text {
    match stored {
        Some(stored) if parse_rfc3339(&stored).is_some_and(|stored| stored >= seen) => stored,
        _ => rfc3339(seen).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stored(value: Value) -> Reported {
        serde_json::from_value(value).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_report_leaves_what_it_does_not_speak_of() {
        let before = stored(json!({"version": "1.0", "ip": "10.0.0.1", "lastUser": "ada"}));
        let report = Report { version: Some("2.0".into()), ..Report::default() };
        let after = stored(json!({"version": "2.0", "ip": "10.0.0.1", "lastUser": "ada"}));
        assert_eq!(report.apply(Some(&before)), after);
        assert!(report.changes_state(Some(&before)));
    }

    #[test]
    fn a_version_that_runs_is_no_longer_staged() {
        let before = stored(json!({"version": "1.0", "stagedVersion": "v2.0"}));
        let report = Report { version: Some("2.0".into()), ..Report::default() };
        assert_eq!(report.apply(Some(&before)), stored(json!({"version": "2.0"})));
    }

    #[test]
    fn a_fact_is_removed_by_its_name_in_the_api() {
        let mut report = Report {
            version: Some("2.0".into()),
            staged_version: Some(None),
            last_error: Some(LastError::default()),
            computer: Some(None),
            last_user: Some(Some("ada".into())),
            ip: Some("10.0.0.1".into()),
            ..Report::seen(at("2026-11-29T08:00:01Z"))
        };
        assert!(!report.is_only_seen());
        assert!(!report.remove("labels"));
        for field in ["version", "stagedVersion", "lastError", "computer", "lastUser", "ip"] {
            assert!(report.remove(field) && !report.remove(field), "{field}");
        }
        assert!(report.is_only_seen());
        assert!(report.remove("lastSeen"));
        assert_eq!(report, Report::default());
    }

    #[test]
    fn last_seen_never_goes_back() {
        let before = stored(json!({"lastSeen": "2026-11-29T10:00:00+02:00"}));
        let earlier = Report::seen(at("2026-11-29T07:59:59Z"));
        assert_eq!(earlier.apply(Some(&before)), before);
        let later = Report::seen(at("2026-11-29T08:00:01Z"));
        let after = stored(json!({"lastSeen": "2026-11-29T08:00:01Z"}));
        assert_eq!(later.apply(Some(&before)), after);
        assert!(!later.changes_facts(Some(&before)));
        let unreadable = stored(json!({"lastSeen": "yesterday"}));
        assert_eq!(later.apply(Some(&unreadable)), after);
    }

    #[test]
    fn later_reports_replace_earlier_ones_field_by_field() {
        let mut report = Report {
            staged_version: Some(Some("2.0".into())),
            ip: Some("10.0.0.1".into()),
            ..Report::seen(at("2026-11-29T08:00:05Z"))
        };
        report.merge(Report {
            staged_version: Some(None),
            version: Some("2.0".into()),
            ..Report::seen(at("2026-11-29T08:00:01Z"))
        });
        let expected = Report {
            staged_version: Some(None),
            version: Some("2.0".into()),
            ip: Some("10.0.0.1".into()),
            ..Report::seen(at("2026-11-29T08:00:05Z"))
        };
        assert_eq!(report, expected);
    }
}
