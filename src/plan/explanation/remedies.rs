//! Lists the remedies for each reason of a decision, without recommending one. A remedy is a
//! change, or a wait, after which the deciding rule no longer applies.

use super::network_remedies::{address_unknown, without_policy};
use super::remedy::{OpenRemedy, Remedy};
use super::scenario::{Halt, Scenario, ScenarioView};
use crate::api::Text;
use crate::api::fleet::ClientFleetSpec;
use crate::api::policy::Mode;
use crate::plan::allot::Standing;
use crate::plan::case::Case;
use crate::plan::facts::non_empty;
use crate::plan::next_change::{Governing, look_ahead};
use crate::plan::policy::Policy;
use crate::plan::policy_in_zone::ZonedPolicy;
use crate::plan::rule_input::InputValue;
use crate::plan::rules::{Rule, decide};
use crate::plan::state::{Reason, State};
use crate::plan::version_text::VersionText;
use crate::values::{Exclusion, TimeRange, Timestamp, Zone};

const FLEET: &str = "ClientFleet";
pub(super) const POLICY: &str = "UpgradePolicy";

/// Returns the remedies for a decision that `rule` made. If the client will be offered a version
/// without any change, the first remedy is to wait; the changes follow, least invasive first.
pub(super) fn ways(
    scenario: &Scenario,
    view: &ScenarioView<'_>,
    rule: &'static Rule,
) -> Vec<OpenRemedy> {
    let wait = offered_by_itself(view, rule).map(OpenRemedy::wait);
    wait.into_iter().chain(changes(scenario, view, rule)).collect()
}

/// Returns the time of the client's next offer if the user changes nothing. Events that start no
/// offer, such as the end of a policy, do not count.
fn offered_by_itself(view: &ScenarioView<'_>, rule: &'static Rule) -> Option<Timestamp> {
    let case = view.case();
    if rule.says.state == State::Distributing {
        return None;
    }
    look_ahead(&case, rule, view.applicable).next_transition.or_else(|| {
        // The next opening may be beyond the horizon of `look_ahead`, so search for it separately.
        let closed = case.governing.filter(|_| rule.says.state == State::Waiting)?;
        let at = closed.next_opening(case.at)?;
        let Governing { policy: governing, in_doubt } = view.applicable.governing(at);
        let then = Case { at, governing, in_doubt, absence_counts: false, ..case };
        (decide(&then).says.state == State::Distributing).then_some(at)
    })
}

fn changes(scenario: &Scenario, view: &ScenarioView<'_>, rule: &'static Rule) -> Vec<OpenRemedy> {
    let case = view.case();
    if let Reason::ReportedElsewhere | Reason::DuplicateClient = rule.says.reason {
        return vec![remove_elsewhere(scenario)];
    }
    let Some(zoned) = case.governing else { return without_policy(scenario, view) };
    match rule.says.reason {
        Reason::NoMatchingPolicy => without_policy(scenario, view),
        Reason::PolicyInvalid => {
            let Policy { name, problems, .. } = zoned.policy;
            let mend = Remedy::MendPolicy { name: name.clone(), problems: problems.clone() };
            vec![OpenRemedy::unknown(mend)]
        }
        Reason::OtherVersionStaged => staged(view, zoned),
        Reason::NoUpgrade => no_upgrade(scenario, view, zoned),
        Reason::ClientVersionUnreadable => {
            let from = view.facts.version.as_deref().into();
            vec![OpenRemedy::unknown(Remedy::Report { field: "version", from })]
        }
        Reason::PackageUnknown => package(scenario),
        Reason::PackageWithdrawn => withdrawn(scenario, view, zoned),
        Reason::AtTarget => other_target(scenario, view, zoned),
        Reason::DowngradeNotAllowed => ahead(scenario, view, zoned),
        Reason::NotSeen => {
            vec![OpenRemedy::to(Remedy::CheckIn, |scenario| scenario.absence_counts = false)]
        }
        Reason::TargetsInCircle => circle(scenario, view, zoned),
        Reason::RestartPending => view.facts.staged.as_deref().map(restart).into_iter().collect(),
        Reason::AddressUnknown => address_unknown(&case),
        Reason::PackageUnavailable => unavailable(scenario, view, zoned),
        Reason::InstallFailed => failed(&case),
        Reason::PolicySuspended => {
            vec![change(zoned.policy, "spec.suspend", true, false, |p| p.suspended = false)]
        }
        Reason::TimeZoneUnknown => time_zone(scenario, zoned),
        Reason::DistributionEnded => ended(zoned),
        Reason::NotStarted | Reason::Excluded | Reason::OutsideWindow => closed(&case, zoned, rule),
        Reason::ReportedElsewhere
        | Reason::DuplicateClient
        | Reason::UpgradeOffered
        | Reason::DowngradeOffered => Vec::new(),
    }
}

/// Returns a remedy that sets a field of a policy. `then` makes this change in a scenario.
fn change(
    policy: &Policy,
    field: &str,
    from: impl Into<InputValue>,
    to: impl Into<InputValue>,
    then: impl FnOnce(&mut Policy) + 'static,
) -> OpenRemedy {
    let name = policy.name.clone();
    let remedy = Remedy::ChangeField {
        kind: POLICY,
        name: name.clone(),
        field: field.to_owned(),
        from: from.into(),
        to: Some(to.into()),
        governed_clients: None,
    };
    OpenRemedy::to(remedy, move |scenario| scenario.edit_policy(&name, then))
}

/// Returns a remedy that changes a field whose new value the user must choose.
fn rethink(
    kind: &'static str,
    name: &Text,
    field: &str,
    from: impl Into<InputValue>,
) -> OpenRemedy {
    OpenRemedy::unknown(Remedy::ChangeField {
        kind,
        name: name.clone(),
        field: field.to_owned(),
        from: from.into(),
        to: None,
        governed_clients: None,
    })
}

/// Returns the remedy that leaves one entry of a client that several fleets list.
fn remove_elsewhere(scenario: &Scenario) -> OpenRemedy {
    let client = scenario.client().map(|client| client.name.clone()).unwrap_or_default();
    let remedy = Remedy::RemoveElsewhere { client, fleets: scenario.other_fleets.clone() };
    OpenRemedy::to(remedy, |scenario| {
        scenario.standing = Standing::Free;
        scenario.other_fleets.clear();
    })
}

fn no_upgrade(
    scenario: &Scenario,
    view: &ScenarioView<'_>,
    zoned: &ZonedPolicy<'_>,
) -> Vec<OpenRemedy> {
    let policy = zoned.policy;
    if let Some(brake) = scenario.halt.as_ref().filter(|brake| brake.name == policy.name) {
        return vec![resume(brake.clone())];
    }
    let mut others = view.applicable.policies.iter().map(|applicable| applicable.zoned.policy);
    let is_next = |other: &Policy| other.name != policy.name && other.is_effective(scenario.at);
    let leave = others.any(is_next).then(|| leave_scope(policy));
    let (from, to) = (policy.mode.as_str(), Mode::AutoUpgrade);
    let mut upgrade = change(policy, "spec.upgrade.mode", from, to.as_str(), move |policy| {
        policy.mode = to;
    });
    if let Remedy::ChangeField { governed_clients, .. } = &mut upgrade.remedy {
        *governed_clients = scenario.governed_by(&policy.name);
    }
    // No new policy can have a higher priority if this policy has the maximum priority.
    let above = (policy.priority < i32::MAX).then_some(policy.priority);
    let above =
        above.map(|above| OpenRemedy::unknown(Remedy::AddPolicy { priority_above: Some(above) }));
    leave.into_iter().chain([upgrade]).chain(above).collect()
}

fn leave_scope(policy: &Policy) -> OpenRemedy {
    let name = policy.name.clone();
    OpenRemedy::to(Remedy::LeaveScope { name: name.clone() }, move |scenario| {
        scenario.policies.retain(|policy| policy.name != name);
    })
}

/// Returns the remedies for a client that its policies would send round in a circle: each policy
/// that the chain passes could leave the client alone, or the governing policy could have another
/// target.
fn circle(
    scenario: &Scenario,
    view: &ScenarioView<'_>,
    zoned: &ZonedPolicy<'_>,
) -> Vec<OpenRemedy> {
    let case = view.case();
    let chain = case.target_chain();
    let mut passed: Vec<&Policy> = Vec::new();
    for policy in chain.iter().flat_map(|chain| &chain.moves).map(|passed| passed.policy) {
        if passed.iter().all(|known| known.name != policy.name) {
            passed.push(policy);
        }
    }
    // The governing policy comes last, because without it the client gets no target from it.
    passed.sort_by_key(|policy| policy.name == zoned.policy.name);
    let mut ways: Vec<OpenRemedy> = passed.into_iter().map(leave_scope).collect();
    ways.extend(other_target(scenario, view, zoned));
    ways
}

fn resume(brake: Halt) -> OpenRemedy {
    let Halt { name, namespace } = brake;
    OpenRemedy::to(Remedy::Resume { namespace }, move |scenario| {
        scenario.policies.retain(|policy| policy.name != name);
    })
}

fn staged(view: &ScenarioView<'_>, zoned: &ZonedPolicy<'_>) -> Vec<OpenRemedy> {
    let Some(staged) = &view.facts.staged else { return Vec::new() };
    let clear = OpenRemedy::to(Remedy::ClearStaged { version: staged.raw.clone() }, |scenario| {
        if let Some(reported) = scenario.client_mut().and_then(|c| c.reported.as_mut()) {
            reported.staged_version = None;
        }
    });
    // Under `NoUpgrade`, the staged version should not take effect, so do not suggest a restart.
    let restart = (zoned.policy.mode != Mode::NoUpgrade).then(|| restart(staged));
    [clear].into_iter().chain(restart).collect()
}

fn restart(staged: &VersionText) -> OpenRemedy {
    OpenRemedy::to(Remedy::Restart { version: staged.raw.clone() }, |scenario| {
        if let Some(reported) = scenario.client_mut().and_then(|c| c.reported.as_mut()) {
            reported.version = reported.staged_version.take();
        }
    })
}

/// Returns the remedies for a fleet whose package version is unknown.
fn package(scenario: &Scenario) -> Vec<OpenRemedy> {
    let name = &scenario.fleet_name;
    let own = scenario.fleet.package_version.as_deref();
    let Some(from) = &scenario.fleet.package_from else {
        return vec![rethink(FLEET, name, "spec.packageVersion", own)];
    };
    if own.is_some() {
        let remedy = Remedy::RemoveField {
            kind: FLEET,
            name: name.clone(),
            field: "spec.packageFrom".to_owned(),
            value: from.name.as_str().into(),
        };
        return vec![OpenRemedy::to(remedy, |scenario| scenario.fleet.package_from = None)];
    }
    match scenario.carrier() {
        Some(source) => {
            let package = source.package_version.as_deref();
            vec![rethink(FLEET, &from.name, "spec.packageVersion", package)]
        }
        None => vec![rethink(FLEET, name, "spec.packageFrom.name", from.name.as_str())],
    }
}

/// Returns the remedies that give the client another target.
fn other_target(
    scenario: &Scenario,
    view: &ScenarioView<'_>,
    zoned: &ZonedPolicy<'_>,
) -> Vec<OpenRemedy> {
    let package = view.package.readable();
    let Some(lock) = zoned.policy.lock.as_ref() else {
        let field = "spec.packageVersion";
        return vec![rethink(FLEET, scenario.carrier_name(), field, package)];
    };
    let field = "spec.upgrade.version";
    let runs = view.facts.version.as_ref();
    let leads_on = |package: &&VersionText| {
        !package.is_same_as(lock)
            && !view.package.has_withdrawn(package)
            && runs.is_none_or(|runs| package.parsed > runs.parsed)
    };
    match package.filter(leads_on).cloned() {
        Some(package) => {
            let to = package.raw.as_str();
            vec![change(zoned.policy, field, lock, to, {
                let package = package.clone();
                |policy| policy.lock = Some(package)
            })]
        }
        None => vec![rethink(POLICY, &zoned.policy.name, field, lock)],
    }
}

fn withdrawn(
    scenario: &Scenario,
    view: &ScenarioView<'_>,
    zoned: &ZonedPolicy<'_>,
) -> Vec<OpenRemedy> {
    let mut ways = other_target(scenario, view, zoned);
    let Some(target) = zoned.target else { return ways };
    let mut back = |name: &Text, spec: &ClientFleetSpec, is_own: bool| {
        let same = |version: &Text| VersionText::new(version.clone()).is_same_as(target.version);
        for version in spec.withdrawn_versions.iter().flatten().filter(|v| same(v)).cloned() {
            let remedy = Remedy::RemoveField {
                kind: FLEET,
                name: name.clone(),
                field: "spec.withdrawnVersions".to_owned(),
                value: version.as_str().into(),
            };
            ways.push(OpenRemedy::to(remedy, move |scenario| {
                let own = Some(&mut scenario.fleet).filter(|_| is_own);
                let spec = own.or(scenario.source.as_mut());
                if let Some(list) = spec.and_then(|spec| spec.withdrawn_versions.as_mut()) {
                    list.retain(|withdrawn| *withdrawn != version);
                }
            }));
        }
    };
    back(&scenario.fleet_name, &scenario.fleet, true);
    // If the fleet in `packageFrom` cannot provide the package, its withdrawn versions have no
    // effect.
    if let (Some(from), Some(source)) = (&scenario.fleet.package_from, scenario.carrier()) {
        back(&from.name, source, false);
    }
    ways
}

fn ahead(scenario: &Scenario, view: &ScenarioView<'_>, zoned: &ZonedPolicy<'_>) -> Vec<OpenRemedy> {
    let field = "spec.upgrade.allowDowngrade";
    let down = change(zoned.policy, field, false, true, |policy| policy.allow_downgrade = true);
    let mut ways = vec![down];
    ways.extend(other_target(scenario, view, zoned));
    ways
}

/// Maximum number of entries that the schema allows in `retainedVersions`.
const MAX_RETAINED_VERSIONS: usize = 16;

fn unavailable(
    scenario: &Scenario,
    view: &ScenarioView<'_>,
    zoned: &ZonedPolicy<'_>,
) -> Vec<OpenRemedy> {
    let Some(target) = zoned.target.map(|target| target.version.raw.clone()) else {
        return Vec::new();
    };
    let carrier = scenario.carrier();
    let is_full = |carrier: &ClientFleetSpec| {
        carrier.retained_versions.as_ref().is_some_and(|list| list.len() >= MAX_RETAINED_VERSIONS)
    };
    let mut ways = Vec::new();
    if carrier.is_some_and(|carrier| !is_full(carrier)) {
        let remedy = Remedy::AddEntry {
            kind: FLEET,
            name: scenario.carrier_name().clone(),
            field: "spec.retainedVersions".to_owned(),
            value: target.as_str().into(),
        };
        ways.push(OpenRemedy::to(remedy, |scenario| {
            if let Some(carrier) = scenario.carrier_mut() {
                carrier.retained_versions.get_or_insert_default().push(target);
            }
        }));
    }
    if carrier.is_none() {
        ways.extend(package(scenario));
    }
    ways.extend(other_target(scenario, view, zoned));
    ways
}

fn failed(case: &Case<'_>) -> Vec<OpenRemedy> {
    let clear = case.client.failed_version.as_ref().map(|failed| {
        OpenRemedy::to(Remedy::ClearError { version: failed.raw.clone() }, |scenario| {
            if let Some(reported) = scenario.client_mut().and_then(|c| c.reported.as_mut()) {
                reported.last_error = None;
            }
        })
    });
    clear.into_iter().collect()
}

fn time_zone(scenario: &Scenario, zoned: &ZonedPolicy<'_>) -> Vec<OpenRemedy> {
    let own = scenario.client().and_then(|client| non_empty(client.time_zone.as_ref()));
    let of_client = scenario.client().filter(|_| own.is_some());
    let field = of_client.map_or_else(
        || "spec.timeZone".to_owned(),
        |client| format!("spec.clients[{}].timeZone", client.name),
    );
    let written = own.or_else(|| non_empty(scenario.fleet.time_zone.as_ref()));
    let meant = written.and_then(|written| Zone::suggest(written));
    let remedy = Remedy::ChangeField {
        kind: FLEET,
        name: scenario.fleet_name.clone(),
        field,
        from: written.map(Text::as_str).into(),
        to: meant.as_deref().map(InputValue::from),
        governed_clients: None,
    };
    let is_own = own.is_some();
    let name = match meant {
        None => OpenRemedy::unknown(remedy),
        Some(zone) => OpenRemedy::to(remedy, move |scenario| {
            let zone = Some(Text::from(zone));
            match scenario.client_mut() {
                Some(client) if is_own => client.time_zone = zone,
                _ => scenario.fleet.time_zone = zone,
            }
        }),
    };
    let of_policy = "spec.distribution.timeZone";
    vec![name, rethink(POLICY, &zoned.policy.name, of_policy, InputValue::Absent)]
}

fn ended(zoned: &ZonedPolicy<'_>) -> Vec<OpenRemedy> {
    let Policy { name, range, .. } = zoned.policy;
    let Some(end) = range.not_after() else {
        let exclusions = InputValue::Count(range.exclusions().len());
        return vec![rethink(POLICY, name, "spec.distribution.exclusions", exclusions)];
    };
    let field = "spec.distribution.notAfter".to_owned();
    vec![remove(zoned.policy, field, end, |range| {
        TimeRange::new(range.not_before(), None, range.windows().to_vec(), kept(range, None))
    })]
}

/// Returns a remedy that removes a restriction from a policy's time range, such as an exclusion.
fn remove(
    policy: &Policy,
    field: String,
    value: impl Into<InputValue>,
    without: impl FnOnce(&TimeRange) -> TimeRange + 'static,
) -> OpenRemedy {
    let name = policy.name.clone();
    let remedy =
        Remedy::RemoveField { kind: POLICY, name: name.clone(), field, value: value.into() };
    OpenRemedy::to(remedy, move |scenario| {
        scenario.edit_policy(&name, |policy| policy.range = without(&policy.range));
    })
}

fn kept(range: &TimeRange, without: Option<&str>) -> Vec<Exclusion> {
    let exclusions = range.exclusions().iter();
    exclusions.filter(|e| Some(e.name.as_str()) != without).cloned().collect()
}

/// Returns the remedies for a client that gets no offer because the time range of its policy is
/// closed.
fn closed(case: &Case<'_>, zoned: &ZonedPolicy<'_>, rule: &'static Rule) -> Vec<OpenRemedy> {
    let Policy { name, range, .. } = zoned.policy;
    let open = match rule.says.reason {
        Reason::NotStarted => {
            let field = "spec.distribution.notBefore".to_owned();
            remove(zoned.policy, field, range.not_before(), |range| {
                let windows = range.windows().to_vec();
                TimeRange::new(None, range.not_after(), windows, kept(range, None))
            })
        }
        Reason::Excluded => {
            let exclusion = zoned.exclusion_at(case.at).map(|exclusion| exclusion.name.clone());
            let place = exclusion.as_deref().unwrap_or_default();
            let field = format!("spec.distribution.exclusions[{place}]");
            let value = InputValue::from(exclusion.as_deref());
            remove(zoned.policy, field, value, move |range| {
                let left = kept(range, exclusion.as_deref());
                let windows = range.windows().to_vec();
                TimeRange::new(range.not_before(), range.not_after(), windows, left)
            })
        }
        _ => {
            let windows = InputValue::Count(range.windows().len());
            rethink(POLICY, name, "spec.distribution.windows", windows)
        }
    };
    vec![open]
}
