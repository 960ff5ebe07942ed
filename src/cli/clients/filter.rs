//! Selects clients by keywords and by options. Keywords match in the same way as the keywords of
//! `search` in a policy.

use chrono::{Datelike, TimeDelta};

use super::row::FleetContext;
use super::{ClientsArgs, refused};
use crate::api::fleet::ClientStatus;
use crate::cli::Failure;
use crate::plan::facts::Facts;
use crate::plan::version_text::VersionText;
use crate::plan::{Reason, State};
use crate::values::selector::{Keywords, Requirement};
use crate::values::{Timestamp, VersionRequirement};

/// All conditions that a client must meet to be selected. If an option has several values, the
/// client must match at least one of them.
#[derive(Debug)]
pub(super) struct Filter {
    keywords: Option<Keywords>,
    states: Vec<String>,
    reasons: Vec<String>,
    policies: Vec<String>,
    fleets: Vec<String>,
    versions: Vec<VersionFilter>,
    /// Latest time at which a client may have entered its current state.
    since: Option<Timestamp>,
    /// Requirements on the labels of a client.
    labels: Vec<Requirement>,
}

/// No client has been in its state since before this time.
const EARLIEST_YEAR: i32 = 2000;

impl Filter {
    /// Builds the filter from the options.
    pub fn read(args: &ClientsArgs, now: Timestamp) -> Result<Self, Failure> {
        let text = args.keywords.join(" ");
        let keywords = Keywords::parse(&text);
        if keywords.is_none() && !args.keywords.is_empty() {
            return Err(Failure::input(
                "KEYWORDS: there is no word in it; leave it out to list every client",
            ));
        }
        refused::keywords(&text)?;
        refused::names("--policy", "an UpgradePolicy", &args.policy)?;
        refused::names("--fleet", "a ClientFleet", &args.fleet)?;
        let states: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
        let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let states = known("--state", &args.state, &states)?;
        let reasons = known("--reason", &args.reason, &reasons)?;
        refused::states(args, &states, &reasons)?;
        let versions = args.version.iter().map(|text| VersionFilter::read(text));
        let labels = args.client_selector.as_deref();
        let labels = labels.map(refused::client_selector).transpose()?;
        Ok(Self {
            keywords,
            states,
            reasons,
            policies: args.policy.clone(),
            fleets: args.fleet.clone(),
            versions: versions.collect::<Result<_, _>>()?,
            since: args.older_than.map(|age| since(age, now)).transpose()?,
            labels: labels.unwrap_or_default(),
        })
    }

    /// Returns the values of `--version` that are compared as text.
    pub fn verbatim_versions(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().filter_map(|version| match version {
            VersionFilter::Requirement(_) => None,
            VersionFilter::Verbatim(text) => Some(text.as_str()),
        })
    }

    /// Returns the requirements on the labels of a client.
    pub fn labels(&self) -> &[Requirement] {
        &self.labels
    }

    /// Returns whether the filter selects a client.
    pub fn wants(
        &self,
        facts: &Facts<'_>,
        fleet: &FleetContext,
        decided: Option<&ClientStatus>,
    ) -> bool {
        let is_any = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|w| w == value))
        };
        is_any(&self.fleets, Some(&fleet.name))
            && is_any(&self.states, decided.map(|row| row.state.as_ref()))
            && is_any(&self.reasons, decided.map(|row| row.reason.as_ref()))
            && is_any(&self.policies, decided.and_then(|row| row.policy.as_deref()))
            && self.since.is_none_or(|since| {
                decided.and_then(|row| row.last_transition_time).is_some_and(|t| t <= since)
            })
            && (self.versions.is_empty()
                || facts.version.as_deref().is_some_and(|version| {
                    self.versions.iter().any(|wanted| wanted.wants(version))
                }))
            && self.labels.iter().all(|label| label.holds(|key| facts.client.labels.get(key)))
            && self.keywords.as_ref().is_none_or(|words| words.occur_in(&facts.subject().folded))
    }
}

/// One value of `--version`.
#[derive(Debug)]
enum VersionFilter {
    Requirement(VersionRequirement),
    /// Text that is no requirement; it selects the clients that report exactly this text.
    Verbatim(String),
}

impl VersionFilter {
    fn read(text: &str) -> Result<Self, Failure> {
        let requirement = VersionRequirement::parse(text);
        refused::version(text, &requirement)?;
        Ok(requirement.map_or_else(|_| Self::Verbatim(text.to_owned()), Self::Requirement))
    }

    fn wants(&self, reported: &VersionText) -> bool {
        match self {
            Self::Requirement(requirement) => {
                reported.parsed.as_ref().is_some_and(|version| requirement.holds(version))
            }
            Self::Verbatim(text) => reported.raw.as_str() == text,
        }
    }
}

/// Returns the values of an option, given in any case, in the spelling that a status uses. An
/// unknown value is an error, because the user could mistake an empty list for a result.
fn known(option: &str, args: &[String], words: &[&str]) -> Result<Vec<String>, Failure> {
    let find = |word: &String| {
        let found = words.iter().find(|known| known.eq_ignore_ascii_case(word));
        found.map(ToString::to_string).ok_or_else(|| {
            Failure::input(format!("{option}: there is no `{word}`; write {}", words.join(", ")))
        })
    };
    args.iter().map(find).collect()
}

/// Returns the latest time at which a client may have entered its state to be in it for longer than
/// `age`.
fn since(age: TimeDelta, now: Timestamp) -> Result<Timestamp, Failure> {
    let since = now.checked_sub_signed(age).filter(|since| since.year() >= EARLIEST_YEAR);
    since.ok_or_else(|| {
        Failure::input(format!(
            "--older-than: no client has been in its state since before {EARLIEST_YEAR}: write a \
             shorter time, as 12h or 7d"
        ))
    })
}

/// Parses a time span such as `90s`, `30m`, `12h`, `7d` or `2w`.
pub(super) fn span(text: &str) -> Result<TimeDelta, String> {
    let wrong = || "write a number and s, m, h, d or w, as 30m, 12h or 7d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let span = number.checked_mul(seconds).filter(|_| number >= 0).and_then(TimeDelta::try_seconds);
    span.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(span(text), Ok(TimeDelta::seconds(seconds)), "{text}");
        }
        for wrong in ["", "7", "d", "-1d", "7 d", "1y", "7ä", "99999999999999999d", "1.5h"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
