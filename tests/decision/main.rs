//! Tests the rules with the rows of a decision table, which cover every rule and the order of every
//! two adjacent rules. Each row is checked twice: with the rules only, and with a complete plan.

mod case;
mod inputs;
#[path = "../merge_patch/mod.rs"]
mod merge_patch;
mod rows;

use clientfleet::plan::rules::{RULES, Rule, RuleName};
use rows::rows;

#[test]
fn each_row_is_decided_by_its_rule() {
    for row in rows() {
        let decided = row.decide(&RULES.iter().collect::<Vec<_>>());
        assert_eq!(decided, row.rule, "{}: decided by rule {decided:?}", row.what);
    }
}

#[test]
fn the_plan_says_what_the_rule_says() {
    for row in rows() {
        let client = row.planned();
        let rule = RULES.iter().find(|rule| rule.name == row.rule).unwrap();
        let said = (client.state.as_ref(), client.reason.as_ref());
        assert_eq!(said, (rule.says.state.as_str(), rule.says.reason.as_str()), "{}", row.what);
        let shows_target = client.target_version.is_some();
        let is_known = row.rule >= RuleName::PackageWithdrawn;
        assert_eq!(shows_target, is_known, "{}: shown from PackageWithdrawn on", row.what);
        let without_policy = [RuleName::ReportedElsewhere, RuleName::NoMatchingPolicy];
        let has_policy = if row.rule == RuleName::DuplicateClient {
            row.policy.is_some()
        } else {
            !without_policy.contains(&row.rule)
        };
        assert_eq!(client.policy.is_some(), has_policy, "{}", row.what);
    }
}

#[test]
fn the_rules_stand_in_the_order_of_their_numbers_and_each_has_a_row() {
    for (index, rule) in RULES.iter().enumerate() {
        assert_eq!(usize::from(rule.name.number()), index + 1, "{:?}", rule.name);
        assert!(rows().iter().any(|row| row.rule == rule.name), "{:?} has no row", rule.name);
    }
}

/// Pairs of adjacent rules that never apply to the same client, so swapping the two rules changes
/// no decision.
///
/// If an entry decides, no entry is undecided; a client without a policy has no invalid policy, an
/// unknown target version cannot be withdrawn, and a policy is in only one of the distribution
/// phases of the rules from `DistributionEnded` to `OutsideWindow` at a time.
const APART: [[RuleName; 2]; 6] = [
    [RuleName::ReportedElsewhere, RuleName::DuplicateClient],
    [RuleName::NoMatchingPolicy, RuleName::PolicyInvalid],
    [RuleName::PackageUnknown, RuleName::PackageWithdrawn],
    [RuleName::DistributionEnded, RuleName::NotStarted],
    [RuleName::NotStarted, RuleName::Excluded],
    [RuleName::Excluded, RuleName::OutsideWindow],
];

#[test]
fn swapping_two_neighbours_changes_a_row() {
    for first in 0..RULES.len() - 1 {
        let mut swapped: Vec<&Rule> = RULES.iter().collect();
        swapped.swap(first, first + 1);
        let is_changed = rows().iter().any(|row| row.decide(&swapped) != row.rule);
        let pair = [RULES[first].name, RULES[first + 1].name];
        assert_eq!(is_changed, !APART.contains(&pair), "{pair:?} swapped");
    }
}

#[test]
fn for_each_two_neighbours_that_can_meet_a_row_has_the_facts_of_both() {
    for pair in RULES.windows(2).map(|pair| [pair[0].name, pair[1].name]) {
        // In the first three pairs of `APART`, the facts of one rule exclude those of the other, so
        // no row can contain both.
        let is_apart = APART[..3].contains(&pair);
        let both = rows().iter().any(|row| row.rule == pair[0] && row.also == Some(pair[1]));
        assert!(both || is_apart, "no row has the facts of {pair:?}");
    }
}

#[test]
fn the_rules_are_documented_in_their_order() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/decision.md");
    let page = std::fs::read_to_string(path).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = page.lines().map(cells).filter(|row| row.len() == 6 && row[1].parse::<u8>().is_ok());
    let documented: Vec<String> =
        rows.map(|row| format!("{} {} {}", row[1], row[3], row[4])).collect();
    let rules: Vec<String> = RULES
        .iter()
        .map(|r| format!("{} {} {}", r.name.number(), r.says.state, r.says.reason))
        .collect();
    assert_eq!(documented, rules);
}
