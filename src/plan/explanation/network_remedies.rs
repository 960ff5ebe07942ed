//! Lists the remedies for clients whose unknown address may be in a network that a policy selects.

use super::remedies::POLICY;
use super::remedy::{OpenRemedy, Remedy};
use super::scenario::{Scenario, ScenarioView};
use super::verdict::deciding_selector;
use crate::api::Text;
use crate::plan::case::Case;
use crate::plan::facts::Facts;
use crate::plan::policy::Policy;
use crate::plan::rule_input::InputValue;
use crate::plan::scope_match::ScopeMatch;

/// Returns the remedies for a client that no policy governs.
pub(super) fn without_policy(scenario: &Scenario, view: &ScenarioView<'_>) -> Vec<OpenRemedy> {
    let subject = view.facts.subject();
    let may_include = |policy: &Policy| {
        let result = policy.scope.match_client(&subject, policy.distributes());
        policy.is_effective(scenario.at) && matches!(result, ScopeMatch::InDoubt(..))
    };
    let report = scenario.policies.iter().any(may_include).then(|| report_address(view.facts));
    let add = OpenRemedy::unknown(Remedy::AddPolicy { priority_above: None });
    report.into_iter().chain([add]).collect()
}

/// Returns the remedy that makes the client report addresses that can all be read.
fn report_address(facts: &Facts<'_>) -> OpenRemedy {
    let from = facts.reported(|reported| reported.ip.as_ref()).map(Text::as_str).into();
    OpenRemedy::unknown(Remedy::Report { field: "ip", from })
}

/// Returns the remedies for a client whose unknown address leaves a policy in doubt.
pub(super) fn address_unknown(case: &Case<'_>) -> Vec<OpenRemedy> {
    let network = case.in_doubt.and_then(|policy| {
        let result = policy.scope.match_client(&case.client.subject(), policy.distributes());
        let (list, at) = deciding_selector(result)?;
        let field = format!("spec.scope.{list}[{at}].cidrs");
        let remedy = Remedy::ChangeField {
            kind: POLICY,
            name: policy.name.clone(),
            field,
            from: InputValue::Count(1),
            to: None,
            governed_clients: None,
        };
        Some(OpenRemedy::unknown(remedy))
    });
    [report_address(case.client)].into_iter().chain(network).collect()
}
