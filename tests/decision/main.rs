//! Tests the decision table. Rows cover every rule, and the order of every two adjacent rules. Each
//! row is checked twice: with the rules only, and with a complete plan.

mod case;
mod rows;

use case::Row;
use clientfleet::plan::rules::{RULES, Rule};
use rows::rows;

#[test]
fn each_row_is_decided_by_its_rule() {
    for row in rows() {
        let decided = row.decide(&RULES.iter().collect::<Vec<_>>());
        assert_eq!(decided, row.rule, "{}: decided by rule {decided}", row.what);
    }
}

#[test]
fn the_plan_says_what_the_rule_says() {
    for row in rows() {
        let client = row.planned();
        let rule = &RULES[usize::from(row.rule) - 1];
        let said = (client.state.as_ref(), client.reason.as_ref());
        assert_eq!(said, (rule.state.as_str(), rule.reason.as_str()), "{}", row.what);
        let shows_target = client.target_version.is_some();
        assert_eq!(shows_target, row.rule >= 7, "{}: the target is shown from rule 7 on", row.what);
        assert_eq!(client.policy.is_some(), row.rule > 1, "{}", row.what);
    }
}

#[test]
fn the_rules_stand_in_the_order_of_their_numbers_and_each_has_a_row() {
    let numbers: Vec<u8> = RULES.iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, (1..=22).collect::<Vec<u8>>());
    for number in numbers {
        assert!(rows().iter().any(|row| row.rule == number), "rule {number} has no row");
    }
}

/// Pairs of adjacent rules whose conditions never hold together, so that no row can test their
/// order. A client without a policy has no invalid policy, and an unknown target version cannot be
/// withdrawn. Rules 17 to 20 each test for a different phase of the distribution; other rows and
/// the `openings` tests check the order of the phases.
const APART: [(u8, u8); 5] = [(1, 2), (6, 7), (17, 18), (18, 19), (19, 20)];

#[test]
fn swapping_two_neighbours_changes_a_row() {
    for first in 0..RULES.len() - 1 {
        let mut swapped: Vec<&Rule> = RULES.iter().collect();
        swapped.swap(first, first + 1);
        let tells = |row: &Row| row.decide(&swapped) != row.rule;
        let told = rows().iter().any(tells);
        let pair = (RULES[first].number, RULES[first + 1].number);
        assert_eq!(told, !APART.contains(&pair), "rules {} and {} swapped", pair.0, pair.1);
    }
}

#[test]
fn for_each_two_neighbours_that_can_meet_a_row_has_the_facts_of_both() {
    for first in 1..22_u8 {
        let pair = (first, first + 1);
        let apart = matches!(pair, (1, 2) | (6, 7));
        let both = rows().iter().any(|row| row.rule == pair.0 && row.also == Some(pair.1));
        assert!(both || apart, "no row has the facts of rules {} and {}", pair.0, pair.1);
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
    let rules: Vec<String> =
        RULES.iter().map(|r| format!("{} {} {}", r.number, r.state, r.reason)).collect();
    assert_eq!(documented, rules);
}
