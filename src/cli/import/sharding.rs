//! Assigns clients to fleets: existing clients stay in their fleets, and new clients fill the free
//! capacity of the fleets, lowest fleet number first.
//!
//! This module uses only client names, fleet numbers and client counts, and does no I/O.

use std::collections::BTreeMap;

/// Assigns each new client to a fleet number. `occupied` contains the number of clients that stay
/// in each existing fleet; all other fleet numbers are available for new fleets.
pub(super) fn assign<'a>(
    occupied: &BTreeMap<u32, usize>,
    newcomers: impl IntoIterator<Item = &'a str>,
    size: usize,
) -> BTreeMap<u32, Vec<&'a str>> {
    let mut assigned: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    let mut number = 1;
    let mut room = free(occupied, number, size);
    for newcomer in newcomers {
        while room == 0 {
            number += 1;
            room = free(occupied, number, size);
        }
        room -= 1;
        assigned.entry(number).or_default().push(newcomer);
    }
    assigned
}

fn free(occupied: &BTreeMap<u32, usize>, number: u32, size: usize) -> usize {
    // Treat a size of 0 as 1; otherwise, `assign` would never find a fleet with free capacity.
    size.max(1).saturating_sub(occupied.get(&number).copied().unwrap_or(0))
}

/// Returns the name of a fleet, such as `emea-001`.
pub(super) fn name(prefix: &str, number: u32) -> String {
    format!("{prefix}-{number:03}")
}

/// Returns the number of a fleet, or `None` if the name is not a fleet name of this import.
pub(super) fn number(prefix: &str, fleet: &str) -> Option<u32> {
    let number = fleet.strip_prefix(prefix)?.strip_prefix('-')?.parse().ok()?;
    (number > 0 && name(prefix, number) == fleet).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_fill_the_lowest_numbers_with_room() {
        let occupied = BTreeMap::from([(1, 2), (2, 0), (4, 5)]);
        let assigned = assign(&occupied, ["a", "b", "c", "d", "e", "f", "g"], 3);
        let wanted = [(1, vec!["a"]), (2, vec!["b", "c", "d"]), (3, vec!["e", "f", "g"])];
        assert_eq!(assigned, BTreeMap::from(wanted));
        assert_eq!(assign(&occupied, ["a"], 2), BTreeMap::from([(2, vec!["a"])]));
        assert!(assign(&occupied, [], 2).is_empty());
    }

    #[test]
    fn a_fleet_is_named_by_its_number() {
        for (number_, name_) in [(1, "emea-001"), (42, "emea-042"), (1200, "emea-1200")] {
            assert_eq!(name("emea", number_), name_);
            assert_eq!(number("emea", name_), Some(number_));
        }
        for other in ["emea", "emea-", "emea-1", "emea-0001", "emea-000", "emea-+01", "apac-001"] {
            assert_eq!(number("emea", other), None, "{other}");
        }
    }
}
