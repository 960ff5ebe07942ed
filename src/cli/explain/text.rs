//! Formats an explanation as text that usually fits on one screen: first the summary, then the
//! details. The `plan` module computes the explanation.

use super::advice::advice;
use super::headline::{headline, seen};
use super::policy_change::ExplainedClient;
use crate::api::Text;
use crate::cli::terminal::table::{Cell, Table, Tone, printable};
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::duplicates::ClientEntry;
use crate::plan::explanation::{
    Doubt, ExplainedEntry, ExplainedPolicy, ExplainedSelector, Explanation, Opening, Rank, Verdict,
    ZoneSource,
};

/// Maximum number of openings to show in the text. JSON and YAML output contains more openings.
const MAX_OPENINGS: usize = 3;

/// Settings for the text of an explanation.
#[derive(Debug)]
pub(super) struct ExplanationText<'a> {
    pub reader: &'a TimeFormatter,
    pub in_color: bool,
    /// True if the stored status can be compared with the computed decision.
    pub with_status: bool,
}

impl ExplanationText<'_> {
    /// Formats the whole explanation as text.
    pub fn whole(&self, explained: &ExplainedClient) -> String {
        let explanation = &explained.explanation;
        let headline = format!("{}\n", headline(explanation, self.reader));
        let sections = [
            headline,
            self.facts(explained),
            self.policies(explanation),
            self.rules(explanation),
            self.openings(explanation),
            advice(explanation, self.reader),
        ];
        let sections: Vec<String> = sections.into_iter().filter(|text| !text.is_empty()).collect();
        sections.join("\n")
    }

    fn facts(&self, explained: &ExplainedClient) -> String {
        let explanation = &explained.explanation;
        let client = &explanation.client;
        let reported = client.reported.as_ref();
        let given = |text: Option<&Text>| {
            text.filter(|text| !text.is_empty()).map(|text| printable(text).into_owned())
        };
        let staged = given(reported.and_then(|r| r.staged_version.as_ref()));
        let staged = staged.map(|staged| format!(", {staged} staged")).unwrap_or_default();
        let runs = given(reported.and_then(|r| r.version.as_ref()));
        let place = format!("{}/{}/{}", explanation.namespace, explanation.fleet, client.name);
        let mut lines = vec![
            ("Client", printable(&place).into_owned()),
            ("Where", self.whereabouts(explanation)),
        ];
        lines.extend(self.fleets(explanation).map(|fleets| ("Fleets", fleets)));
        lines.extend([("Runs", format!("{}{staged}", runs.as_deref().unwrap_or("unknown")))]);
        lines.extend(self.error(explanation).map(|error| ("Last error", error)));
        lines.push(("Last seen", self.last_seen(explanation)));
        lines.push(("Time zone", zone(explanation)));
        lines.push(("Package", package(explanation)));
        lines.extend(targets(explanation).map(|targets| ("Targets", targets)));
        lines.extend(self.policy_change(explained).map(|change| ("Policy", change)));
        lines.push(("Last offer", self.last_offer(explanation)));
        lines.extend(self.doubts(explanation).into_iter().map(|doubt| ("Status", doubt)));
        lines.iter().map(|(name, value)| format!("{name:<12}{value}\n")).collect()
    }

    /// Returns who set the policy that governs the client; `None` if that is not recorded.
    fn policy_change(&self, explained: &ExplainedClient) -> Option<String> {
        let policy = explained.explanation.decision.policy.as_deref()?;
        let set = explained.policy_change.shown(self.reader)?;
        Some(format!("{}, {set}", printable(policy)))
    }

    fn whereabouts(&self, explanation: &Explanation) -> String {
        let reported = explanation.client.reported.as_ref();
        fn given(text: Option<&Text>) -> Option<std::borrow::Cow<'_, str>> {
            text.filter(|text| !text.is_empty()).map(|text| printable(text))
        }
        let ip = given(reported.and_then(|r| r.ip.as_ref()));
        let user = given(reported.and_then(|r| r.last_user.as_ref()));
        let labels = explanation.client.labels.iter();
        let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
        let labels = (!labels.is_empty()).then(|| format!("labels {}", labels.join(",")));
        let parts = [
            ip.map(|ip| format!("IP {ip}")),
            user.map(|user| format!("last user {user}")),
            labels.map(|labels| printable(&labels).into_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "nothing reported".to_owned() } else { parts.join(", ") }
    }

    /// Returns the fleets that list the client and when each saw it; `None` if only one lists it.
    fn fleets(&self, explanation: &Explanation) -> Option<String> {
        let one = |explained: &ExplainedEntry| {
            let ClientEntry { fleet, last_seen, deleting, unreadable } = &explained.entry;
            let seen = last_seen.map(|seen| format!("last seen {}", self.reader.ago(seen)));
            let from = explained.decides_from;
            let parts = [
                Some(seen.unwrap_or_else(|| "never seen".to_owned())).filter(|_| !unreadable),
                unreadable.then(|| "cannot be read".to_owned()),
                deleting.then(|| "is being deleted".to_owned()),
                explained.decides.then(|| "decides".to_owned()),
                from.map(|from| format!("decides from {}", self.reader.moment(from))),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            format!("{} ({})", printable(fleet), parts.join(", "))
        };
        let fleets: Vec<String> = explanation.entries.iter().map(one).collect();
        (!fleets.is_empty()).then(|| fleets.join(", "))
    }

    fn error(&self, explanation: &Explanation) -> Option<String> {
        let error = explanation.client.reported.as_ref()?.last_error.as_deref()?;
        let parts = [&error.version, &error.time, &error.message];
        let parts: Vec<_> =
            parts.into_iter().flatten().filter(|t| !t.is_empty()).map(|t| printable(t)).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn last_seen(&self, explanation: &Explanation) -> String {
        let written = explanation.client.reported.as_ref().and_then(|r| r.last_seen.as_deref());
        let offline = explanation.ahead.offline_from.filter(|from| *from > self.reader.now);
        let offline = offline.map(|from| format!(", offline {}", self.reader.next(from)));
        match (explanation.client.last_seen, written.filter(|text| !text.is_empty())) {
            (Some(seen), _) => {
                let (ago, moment) = (self.reader.ago(seen), self.reader.moment(seen));
                format!("{ago} ({moment}){}", offline.unwrap_or_default())
            }
            (None, Some(text)) => format!("\"{}\", which is no instant", printable(text)),
            (None, None) => "never reported".to_owned(),
        }
    }

    fn last_offer(&self, explanation: &Explanation) -> String {
        let Some(offer) = &explanation.last_offer else { return "none is recorded".to_owned() };
        let tried = offer.since.filter(|since| *since != offer.time);
        let tried = tried.map(|since| format!(", first offered on {}", self.reader.moment(since)));
        format!(
            "{} by {} (generation {}) on {} ({}){}",
            printable(&offer.version),
            printable(&offer.policy),
            offer.generation,
            self.reader.moment(offer.time),
            self.reader.ago(offer.time),
            tried.unwrap_or_default()
        )
    }

    /// Returns a warning if the fleet is too large, or if the stored status is missing, out of date
    /// or different from the computed decision.
    fn doubts(&self, explanation: &Explanation) -> Option<String> {
        if explanation.decision.fleet_too_large {
            let fleet = printable(&explanation.fleet);
            return Some(format!(
                "fleet {fleet} is too large for the API server with the status of its clients: \
                 nothing is distributed to them until clients are moved to another fleet"
            ));
        }
        if !self.with_status {
            return None;
        }
        let Some(stored) = &explanation.stored else {
            return Some("not written yet: is the controller running?".to_owned());
        };
        if stored.agrees && !stored.is_current {
            return Some(
                "computed from its fleet as it was before the last change: is the controller running?"
                    .to_owned(),
            );
        }
        if stored.agrees {
            let passed = stored.next_transition_time.filter(|next| *next <= self.reader.now)?;
            let next = self.reader.next(passed);
            return Some(format!("its nextTransitionTime is {next}: is the controller running?"));
        }
        let reason = stored.reason.as_deref().map(|reason| format!(" ({})", printable(reason)));
        let since = stored.since.map(|since| format!(" since {}", self.reader.moment(since)));
        Some(format!(
            "still says {}{}{}: is the controller running?",
            printable(&stored.state),
            reason.unwrap_or_default(),
            since.unwrap_or_default()
        ))
    }

    fn policies(&self, explanation: &Explanation) -> String {
        if explanation.policies.is_empty() {
            return format!(
                "There is no policy in namespace {}\n",
                printable(&explanation.namespace)
            );
        }
        let is_about = |policy: &&ExplainedPolicy| {
            policy.verdict.is_in_scope() || policy.verdict == Verdict::ClientExcluded
        };
        let mut table = Table::new(["POLICY", "PRIORITY", "ASKS FOR", "VERDICT"]);
        let about: Vec<&ExplainedPolicy> = explanation.policies.iter().filter(is_about).collect();
        for policy in &about {
            let governs = policy.verdict == Verdict::Governs;
            let tone = if governs { Tone::Moving } else { Tone::Plain };
            table.push(vec![
                Cell::text(Some(&policy.name)),
                Cell::number(policy.priority),
                Cell::text(Some(&asks_for(policy))),
                Cell::text(Some(&self.verdict(policy))).toned(tone),
            ]);
        }
        let mut text = if about.is_empty() { String::new() } else { table.render(self.in_color) };
        for (verdict, words) in [
            (Verdict::ClientNotSelected, "Scope without this client"),
            (Verdict::FleetNotSelected, "Scope without this fleet"),
        ] {
            let names: Vec<_> =
                explanation.policies.iter().filter(|p| p.verdict == verdict).collect();
            if !names.is_empty() {
                let names: Vec<_> = names.iter().map(|policy| printable(&policy.name)).collect();
                text += &format!("{words}: {}\n", names.join(", "));
            }
        }
        text
    }

    fn verdict(&self, policy: &ExplainedPolicy) -> String {
        let selector = policy.selector.as_ref().map(selected).unwrap_or_default();
        match &policy.verdict {
            Verdict::Governs if policy.in_doubt.is_some() => {
                format!("governs it, but may exclude it, as its address is unknown{selector}")
            }
            Verdict::Governs => format!("governs it{selector}"),
            Verdict::Lost { to, by } => {
                let to = printable(to);
                let by = match by {
                    Rank::Unreadable => "which cannot be read and comes before all",
                    Rank::Priority => "by priority",
                    Rank::Invalid => "which is invalid and comes first of equal priorities",
                    Rank::NoUpgrade => {
                        "which holds its clients and comes first of equal priorities"
                    }
                    Rank::Suspended => "which is suspended and comes first of equal priorities",
                    Rank::Name => "by name, as their priorities are the same",
                };
                let comma = if by.starts_with("which") { "," } else { "" };
                format!("lost to {to}{comma} {by}{selector}")
            }
            Verdict::NotYetEffective { from } => {
                format!("begins {}{selector}", self.reader.next(*from))
            }
            Verdict::NoLongerEffective { until } => {
                let (ago, moment) = (self.reader.ago(*until), self.reader.moment(*until));
                format!("ended {ago} ({moment}){selector}")
            }
            Verdict::ReportedElsewhere => {
                format!("would govern it, but another fleet decides{selector}")
            }
            Verdict::BeingDeleted => format!("is being deleted{selector}"),
            Verdict::ClientExcluded => format!("excludes it{selector}"),
            Verdict::AddressUnknown if policy.in_doubt == Some(Doubt::NotIncluded) => {
                format!("does not select it, as its address is unknown{selector}")
            }
            Verdict::AddressUnknown => {
                format!("may hold it back, as its address is unknown{selector}")
            }
            Verdict::FleetNotSelected => "does not select its fleet".to_owned(),
            Verdict::ClientNotSelected => "does not select it".to_owned(),
        }
    }

    fn rules(&self, explanation: &Explanation) -> String {
        let mut table = Table::new(["RULE", "HOLDS", "REASON", "SEEN"]);
        for rule in &explanation.rules {
            let saw = rule.saw.iter().map(|sight| {
                let value = seen(&sight.value, self.reader);
                format!("{} {value}", sight.fact)
            });
            let saw: Vec<String> = saw.collect();
            let tone = if rule.held { Tone::Waiting } else { Tone::Plain };
            table.push(vec![
                Cell::number(rule.number),
                Cell::text(Some(if rule.held { "YES" } else { "no" })).toned(tone),
                Cell::text(Some(rule.reason)).toned(tone),
                Cell::text(Some(&saw.join(", "))),
            ]);
        }
        table.render(self.in_color)
    }

    fn openings(&self, explanation: &Explanation) -> String {
        let ahead = &explanation.ahead;
        let is_always =
            |opening: &Opening| opening.from == explanation.at && opening.until.is_none();
        if ahead.openings.is_empty() || ahead.openings.iter().any(is_always) {
            return String::new();
        }
        let mut text = format!("Openings, {} time\n", self.reader.zone_name());
        for opening in ahead.openings.iter().take(MAX_OPENINGS) {
            let from = if opening.from == explanation.at {
                "now".to_owned()
            } else {
                self.reader.moment(opening.from)
            };
            let until = match opening.until {
                Some(until) => format!(" to {}", self.reader.moment(until)),
                None => " on, without an end".to_owned(),
            };
            text += &format!("  {from}{until}\n");
        }
        text
    }
}

fn zone(explanation: &Explanation) -> String {
    let zone = &explanation.client.time_zone;
    let Some(name) = zone.name.as_deref().map(printable) else {
        return "none: neither its policy, it nor its fleet names one".to_owned();
    };
    let known = if zone.is_known { "" } else { ", which is not known" };
    let from = match zone.from {
        Some(ZoneSource::Policy) => ", from its policy",
        Some(ZoneSource::Client) => ", its own",
        Some(ZoneSource::Fleet) => ", from its fleet",
        None => "",
    };
    format!("{name}{from}{known}")
}

/// Returns the moves of a client that would move more than once.
fn targets(explanation: &Explanation) -> Option<String> {
    let chain = explanation.target_chain.as_ref()?;
    let end = match chain.first_in_circle.as_deref() {
        Some(first) => format!(": a circle, in which {first} comes first"),
        None => ", where it stays".to_owned(),
    };
    Some(printable(&format!("{}{end}", chain.text())).into_owned())
}

fn package(explanation: &Explanation) -> String {
    let package = &explanation.client.package;
    let list = |word: &str, versions: &[Text]| {
        let versions: Vec<_> = versions.iter().map(|version| printable(version)).collect();
        if versions.is_empty() {
            String::new()
        } else {
            format!("; {word} {}", versions.join(", "))
        }
    };
    let fleet = if package.fleet == explanation.fleet {
        String::new()
    } else {
        format!(" from fleet {}", printable(&package.fleet))
    };
    let version = match package.version.as_deref().map(printable) {
        Some(version) if package.is_readable => version.into_owned(),
        Some(version) => format!("\"{version}\", which is no version"),
        None => "unknown".to_owned(),
    };
    let retained = list("retained", &package.retained);
    let withdrawn = list("withdrawn", &package.withdrawn);
    format!("{version}{fleet}{retained}{withdrawn}")
}

fn asks_for(policy: &ExplainedPolicy) -> String {
    if policy.unreadable {
        return "unreadable".to_owned();
    }
    let version = policy.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let suspended = if policy.suspend { ", suspended" } else { "" };
    let invalid = if policy.problems.is_empty() { "" } else { ", invalid" };
    format!("{}{version}{suspended}{invalid}", policy.mode)
}

/// Formats the scope selector that matches the client, such as ` (scope.clients[0].cidrs
/// 10.20.0.0/16; rests on its IP address, which may change)`.
fn selected(selector: &ExplainedSelector) -> String {
    let ExplainedSelector { field, criteria, entries, rests_on } = selector;
    let by = match &criteria[..] {
        [one] => format!("{field}.{one}"),
        several => format!("{field}: {}", several.join(" and ")),
    };
    let values: Vec<_> =
        entries.iter().filter_map(|entry| entry.split_once(": ").map(|(_, value)| value)).collect();
    let values = if values.is_empty() { String::new() } else { format!(" {}", values.join(", ")) };
    let moving: Vec<&str> = rests_on
        .iter()
        .map(|fact| match *fact {
            "ip" => "IP address",
            "version" => "version",
            _ => "last user",
        })
        .collect();
    let moving = match &moving[..] {
        [] => String::new(),
        facts => format!("; rests on its {}, which may change", facts.join(" and ")),
    };
    printable(&format!(" ({by}{values}{moving})")).into_owned()
}
