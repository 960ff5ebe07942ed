//! For each reason the ways out of it: what somebody can change, or wait for, so that the rule holds
//! no more. Data, without advice on which of them is wise; and what each would make of the ground, as
//! far as that can be said.

use super::ground::{Ground, View};
use super::way::{Open, Way};
use crate::api::Text;
use crate::api::fleet::ClientFleetSpec;
use crate::api::policy::Mode;
use crate::plan::evidence::Seen;
use crate::plan::facts::given;
use crate::plan::outlook::{earlier, outlook};
use crate::plan::policy::Policy;
use crate::plan::rules::{Case, Rule};
use crate::plan::state::Reason;
use crate::plan::terms::Terms;
use crate::plan::version::Spelled;
use crate::values::{TimeRange, Zone};

const FLEET: &str = "ClientFleet";
const POLICY: &str = "UpgradePolicy";

/// The ways out of what `rule` has decided, those that keep the most as it is first.
pub(super) fn ways(ground: &Ground, view: &View<'_>, rule: &'static Rule) -> Vec<Open> {
    let case = view.case();
    let Some(terms) = case.terms else { return without_policy(ground) };
    match rule.reason {
        Reason::NoMatchingPolicy => without_policy(ground),
        Reason::PolicyInvalid => {
            let Policy { name, problems, .. } = terms.policy;
            let mend = Way::MendPolicy { name: name.clone(), problems: problems.clone() };
            [Open::unknown(mend)].into_iter().chain(policy_ends(terms)).collect()
        }
        Reason::OtherVersionStaged => staged(view, terms),
        Reason::NoUpgrade => no_upgrade(ground, terms),
        Reason::ClientVersionUnreadable => {
            let from = view.facts.version.as_ref().into();
            vec![Open::unknown(Way::Report { field: "version", from })]
        }
        Reason::PackageUnknown => package(ground),
        Reason::PackageWithdrawn => withdrawn(ground, view, terms),
        Reason::AtTarget => other_target(ground, view, terms),
        Reason::DowngradeNotAllowed => ahead(ground, view, terms),
        Reason::NotSeen => {
            vec![Open::to(Way::CheckIn, |ground| ground.absence_counts = false)]
        }
        Reason::RestartPending => view.facts.staged.iter().map(restart).collect(),
        Reason::PackageUnavailable => unavailable(ground, view, terms),
        Reason::InstallFailed => failed(&case),
        Reason::PolicySuspended => {
            let resume = change(terms.policy, "spec.suspend", true, false, |p| p.suspended = false);
            [resume].into_iter().chain(policy_ends(terms)).collect()
        }
        Reason::TimeZoneUnknown => time_zone(ground, terms),
        Reason::DistributionEnded => ended(terms),
        Reason::NotStarted | Reason::Excluded | Reason::OutsideWindow => closed(view, terms, rule),
        Reason::UpgradeOffered | Reason::DowngradeOffered => Vec::new(),
    }
}

/// A field of a policy, and what the policy is with it.
fn change(
    policy: &Policy,
    field: &str,
    from: impl Into<Seen>,
    to: impl Into<Seen>,
    then: impl FnOnce(&mut Policy) + 'static,
) -> Open {
    let name = policy.name.clone();
    let way = Way::ChangeField {
        kind: POLICY,
        name: name.clone(),
        field: field.to_owned(),
        from: from.into(),
        to: Some(to.into()),
    };
    Open::to(way, move |ground| {
        if let Some(policy) = ground.policy_mut(&name) {
            then(policy);
        }
    })
}

/// A field whose new value is for a person to say.
fn rethink(kind: &'static str, name: &Text, field: &str, from: impl Into<Seen>) -> Open {
    Open::unknown(Way::ChangeField {
        kind,
        name: name.clone(),
        field: field.to_owned(),
        from: from.into(),
        to: None,
    })
}

fn policy_ends(terms: &Terms<'_>) -> Option<Open> {
    terms.policy.effective_until.map(Open::wait)
}

fn without_policy(ground: &Ground) -> Vec<Open> {
    let begins = |policy: &Policy| {
        let from = policy.effective_from.filter(|&from| from > ground.at)?;
        policy.is_effective(from).then_some(from)
    };
    let begins = ground.policies.iter().filter_map(begins).min();
    let add = Open::unknown(Way::AddPolicy { priority_above: None });
    begins.map(Open::wait).into_iter().chain([add]).collect()
}

fn no_upgrade(ground: &Ground, terms: &Terms<'_>) -> Vec<Open> {
    let policy = terms.policy;
    let is_next = |other: &&Policy| other.name != policy.name && other.is_effective(ground.at);
    let leave = ground.policies.iter().find(is_next).map(|_| {
        let name = policy.name.clone();
        Open::to(Way::LeaveScope { name: name.clone() }, move |ground| {
            ground.policies.retain(|policy| policy.name != name);
        })
    });
    let (from, to) = (policy.mode.as_str(), Mode::AutoUpgrade);
    let upgrade = change(policy, "spec.upgrade.mode", from, to.as_str(), move |policy| {
        policy.mode = to;
    });
    let above = Open::unknown(Way::AddPolicy { priority_above: Some(policy.priority) });
    policy_ends(terms).into_iter().chain(leave).chain([upgrade, above]).collect()
}

fn staged(view: &View<'_>, terms: &Terms<'_>) -> Vec<Open> {
    let Some(staged) = &view.facts.staged else { return Vec::new() };
    let clear = Open::to(Way::ClearStaged { version: staged.text.clone() }, |ground| {
        if let Some(reported) = ground.client_mut().and_then(|c| c.reported.as_mut()) {
            reported.staged_version = None;
        }
    });
    // With `NoUpgrade` a restart is just what is not wanted.
    let restart = (terms.policy.mode != Mode::NoUpgrade).then(|| restart(staged));
    [clear].into_iter().chain(restart).collect()
}

fn restart(staged: &Spelled) -> Open {
    Open::to(Way::Restart { version: staged.text.clone() }, |ground| {
        if let Some(reported) = ground.client_mut().and_then(|c| c.reported.as_mut()) {
            reported.version = reported.staged_version.take();
        }
    })
}

/// Ways to a package that is known.
fn package(ground: &Ground) -> Vec<Open> {
    let name = &ground.fleet_name;
    let own = ground.fleet.package_version.as_deref();
    let Some(from) = &ground.fleet.package_from else {
        return vec![rethink(FLEET, name, "spec.packageVersion", own)];
    };
    if own.is_some() {
        let way = Way::RemoveField {
            kind: FLEET,
            name: name.clone(),
            field: "spec.packageFrom".to_owned(),
            value: from.name.as_str().into(),
        };
        return vec![Open::to(way, |ground| ground.fleet.package_from = None)];
    }
    match ground.carrier() {
        Some(source) => {
            let package = source.package_version.as_deref();
            vec![rethink(FLEET, &from.name, "spec.packageVersion", package)]
        }
        None => vec![rethink(FLEET, name, "spec.packageFrom.name", from.name.as_str())],
    }
}

/// Ways to another target than the present one.
fn other_target(ground: &Ground, view: &View<'_>, terms: &Terms<'_>) -> Vec<Open> {
    let package = view.package.readable();
    let Some(lock) = terms.policy.lock.as_ref() else {
        let field = "spec.packageVersion";
        return vec![rethink(FLEET, ground.carrier_name(), field, package)];
    };
    let field = "spec.upgrade.version";
    let runs = view.facts.version.as_ref();
    let leads_on = |package: &&Spelled| {
        !package.is_same_as(lock)
            && !view.package.has_withdrawn(package)
            && runs.is_none_or(|runs| package.version > runs.version)
    };
    match package.filter(leads_on).cloned() {
        Some(package) => {
            let to = package.text.as_str();
            vec![change(terms.policy, field, lock, to, {
                let package = package.clone();
                |policy| policy.lock = Some(package)
            })]
        }
        None => vec![rethink(POLICY, &terms.policy.name, field, lock)],
    }
}

fn withdrawn(ground: &Ground, view: &View<'_>, terms: &Terms<'_>) -> Vec<Open> {
    let mut ways = other_target(ground, view, terms);
    let Some(target) = terms.target else { return ways };
    let mut back = |name: &Text, spec: &ClientFleetSpec, is_own: bool| {
        let same = |version: &Text| Spelled::new(version.clone()).is_same_as(target.version);
        for version in spec.withdrawn_versions.iter().flatten().filter(|v| same(v)).cloned() {
            let way = Way::RemoveField {
                kind: FLEET,
                name: name.clone(),
                field: "spec.withdrawnVersions".to_owned(),
                value: version.as_str().into(),
            };
            ways.push(Open::to(way, move |ground| {
                let own = Some(&mut ground.fleet).filter(|_| is_own);
                let spec = own.or(ground.source.as_mut());
                if let Some(list) = spec.and_then(|spec| spec.withdrawn_versions.as_mut()) {
                    list.retain(|withdrawn| *withdrawn != version);
                }
            }));
        }
    };
    back(&ground.fleet_name, &ground.fleet, true);
    if let (Some(from), Some(source)) = (&ground.fleet.package_from, &ground.source) {
        back(&from.name, source, false);
    }
    ways.extend(policy_ends(terms));
    ways
}

fn ahead(ground: &Ground, view: &View<'_>, terms: &Terms<'_>) -> Vec<Open> {
    let field = "spec.upgrade.allowDowngrade";
    let down = change(terms.policy, field, false, true, |policy| policy.allow_downgrade = true);
    let mut ways = vec![down];
    ways.extend(other_target(ground, view, terms));
    ways
}

/// The schema's limit on `retainedVersions`.
const MOST_RETAINED: usize = 16;

fn unavailable(ground: &Ground, view: &View<'_>, terms: &Terms<'_>) -> Vec<Open> {
    let Some(target) = terms.target.map(|target| target.version.text.clone()) else {
        return Vec::new();
    };
    let carrier = ground.carrier();
    let is_full = |carrier: &ClientFleetSpec| {
        carrier.retained_versions.as_ref().is_some_and(|list| list.len() >= MOST_RETAINED)
    };
    let mut ways = Vec::new();
    if carrier.is_some_and(|carrier| !is_full(carrier)) {
        let way = Way::AddEntry {
            kind: FLEET,
            name: ground.carrier_name().clone(),
            field: "spec.retainedVersions".to_owned(),
            value: target.as_str().into(),
        };
        ways.push(Open::to(way, |ground| {
            if let Some(carrier) = ground.carrier_mut() {
                carrier.retained_versions.get_or_insert_default().push(target);
            }
        }));
    }
    if carrier.is_none() {
        ways.extend(package(ground));
    }
    ways.extend(other_target(ground, view, terms));
    ways.extend(policy_ends(terms));
    ways
}

fn failed(case: &Case<'_>) -> Vec<Open> {
    let clear = case.client.failed_version.as_ref().map(|failed| {
        Open::to(Way::ClearError { version: failed.text.clone() }, |ground| {
            if let Some(reported) = ground.client_mut().and_then(|c| c.reported.as_mut()) {
                reported.last_error = None;
            }
        })
    });
    case.retry_from().map(Open::wait).into_iter().chain(clear).collect()
}

fn time_zone(ground: &Ground, terms: &Terms<'_>) -> Vec<Open> {
    let own = ground.client().and_then(|client| given(client.time_zone.as_ref()));
    let of_client = ground.client().filter(|_| own.is_some());
    let field = of_client.map_or_else(
        || "spec.timeZone".to_owned(),
        |client| format!("spec.clients[{}].timeZone", client.name),
    );
    let written = own.or_else(|| given(ground.fleet.time_zone.as_ref()));
    let meant = written.and_then(|written| Zone::suggest(written));
    let way = Way::ChangeField {
        kind: FLEET,
        name: ground.fleet_name.clone(),
        field,
        from: written.map(Text::as_str).into(),
        to: meant.as_deref().map(Seen::from),
    };
    let is_own = own.is_some();
    let name = match meant {
        None => Open::unknown(way),
        Some(zone) => Open::to(way, move |ground| {
            let zone = Some(Text::from(zone));
            match ground.client_mut() {
                Some(client) if is_own => client.time_zone = zone,
                _ => ground.fleet.time_zone = zone,
            }
        }),
    };
    let of_policy = "spec.distribution.timeZone";
    vec![name, rethink(POLICY, &terms.policy.name, of_policy, Seen::Absent)]
}

fn ended(terms: &Terms<'_>) -> Vec<Open> {
    let policy = terms.policy;
    let end = policy.range.not_after().map(|end| {
        let name = policy.name.clone();
        let way = Way::RemoveField {
            kind: POLICY,
            name: name.clone(),
            field: "spec.distribution.notAfter".to_owned(),
            value: end.into(),
        };
        Open::to(way, move |ground| {
            if let Some(policy) = ground.policy_mut(&name) {
                policy.range = without_end(&policy.range);
            }
        })
    });
    end.into_iter().chain(policy_ends(terms)).collect()
}

fn without_end(range: &TimeRange) -> TimeRange {
    let (windows, exclusions) = (range.windows().to_vec(), range.exclusions().to_vec());
    TimeRange::new(range.not_before(), None, windows, exclusions)
}

/// Distribution opens by itself, if no other policy comes to govern before.
fn closed(view: &View<'_>, terms: &Terms<'_>, rule: &'static Rule) -> Vec<Open> {
    let case = view.case();
    let Policy { name, range, .. } = terms.policy;
    let offered = outlook(&case, rule, view.contenders).next_transition;
    let opens =
        offered.or_else(|| earlier(terms.next_opening(case.at), terms.policy.effective_until));
    let remove = |field: String, value: Seen| {
        Open::unknown(Way::RemoveField { kind: POLICY, name: name.clone(), field, value })
    };
    let open = match rule.reason {
        Reason::NotStarted => {
            remove("spec.distribution.notBefore".to_owned(), range.not_before().into())
        }
        Reason::Excluded => {
            let exclusion = terms.exclusion_at(case.at).map(|exclusion| exclusion.name.as_str());
            let place = exclusion.unwrap_or_default();
            remove(format!("spec.distribution.exclusions[{place}]"), exclusion.into())
        }
        _ => {
            let windows = Seen::Count(range.windows().len());
            rethink(POLICY, name, "spec.distribution.windows", windows)
        }
    };
    opens.map(Open::wait).into_iter().chain([open]).collect()
}
