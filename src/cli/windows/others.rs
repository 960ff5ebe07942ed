//! Which other policies come before the one that is looked at, for a part of the days that are shown:
//! they may take its clients over. Pure; knows fleets by their labels alone.

use chrono::TimeDelta;
use serde::Serialize;

use crate::api::policy::Mode;
use crate::plan::policy::Policy;
use crate::plan::scope::Scope;
use crate::values::Timestamp;

/// A policy that comes before the one that is looked at, for a time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ComesBefore {
    pub policy: String,
    pub mode: Mode,
    /// From when on, where that is to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Looks for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    /// With their scopes, and whether a fleet is in that and in the scope of the one looked at.
    found: Vec<(ComesBefore, Scope, bool)>,
    own: Scope,
    saw_fleets: bool,
}

impl Others {
    /// Those that begin within the days, or end after `at`. What is effective all the time has taken
    /// its clients already: they are not counted.
    pub(super) fn among(
        policy: &Policy,
        all: impl Iterator<Item = Policy>,
        at: Timestamp,
        days: u16,
    ) -> Self {
        let end = at + TimeDelta::days(days.into());
        let is_of_these_days = |other: &Policy| {
            let from = other.effective_from.filter(|&from| at < from);
            let until = other.effective_until;
            let is_for_a_time = from.is_some() || until.is_some();
            is_for_a_time
                && from.is_none_or(|from| from < end)
                && until.is_none_or(|until| at < until && from.is_none_or(|from| from < until))
        };
        let comes_before = |other: &Policy| {
            other.name != policy.name && !other.deleting && other.precedence() < policy.precedence()
        };
        let found = all.filter(|other| comes_before(other) && is_of_these_days(other));
        let mut found: Vec<_> = found
            .map(|other| {
                let found = ComesBefore {
                    policy: other.name.to_string(),
                    mode: other.mode,
                    from: other.effective_from.filter(|&from| at < from),
                    until: other.effective_until,
                };
                (found, other.scope, false)
            })
            .collect();
        found.sort_by(|(a, ..), (b, ..)| (a.from, &a.policy).cmp(&(b.from, &b.policy)));
        Self { found, own: policy.scope.clone(), saw_fleets: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Looks at a fleet of which `label` gives the value of a label's key.
    pub(super) fn fleet<'a>(&mut self, label: impl Fn(&str) -> Option<&'a str>) {
        self.saw_fleets = true;
        if self.own.holds_fleet(&label) {
            for (_, scope, shares) in &mut self.found {
                *shares |= scope.holds_fleet(&label);
            }
        }
    }

    /// Those whose scope may hold clients of the one that is looked at.
    pub(super) fn finish(self) -> Vec<ComesBefore> {
        let saw_fleets = self.saw_fleets;
        let found = self.found.into_iter().filter(|(.., shares)| *shares || !saw_fleets);
        found.map(|(found, ..)| found).collect()
    }
}
