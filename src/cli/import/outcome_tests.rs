//! Tests the outcome of imports: property tests with random sequences of exports, and tests with
//! clients that other field managers list. The tests are in this folder because the tested code is
//! private to the `import` module.

#[cfg(test)]
mod laws {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::columns::Field;
    use super::super::existing_fleet::{ExistingFleet, ListedBy};
    use super::super::facts::Fact;
    use super::super::outcome::{
        Export, FleetChange, ImportOptions, ImportOutcome, ImportRefusal, Limit, decide, limit,
    };
    use super::super::sharding;
    use crate::api::Text;
    use crate::api::fleet::{Client, Reported};
    use crate::values::Timestamp;

    /// The input of one import in a sequence of daily imports.
    #[derive(Clone, Debug)]
    struct Day {
        clients: BTreeMap<u8, u8>,
        bad: BTreeSet<u8>,
        is_in_doubt: bool,
        shard_size: usize,
        prune: bool,
    }

    fn day() -> impl Strategy<Value = Day> {
        let clients = proptest::collection::btree_map(0..40_u8, 0..3_u8, 0..40);
        let bad = proptest::collection::btree_set(0..40_u8, 0..4);
        (clients, bad, proptest::bool::weighted(0.2), 1..6_usize, any::<bool>()).prop_map(
            |(clients, bad, is_in_doubt, shard_size, prune)| Day {
                clients: clients.into_iter().filter(|(name, _)| !bad.contains(name)).collect(),
                bad,
                is_in_doubt,
                shard_size,
                prune,
            },
        )
    }

    fn name(number: u8) -> Text {
        format!("LT-{number:02}").into()
    }

    fn client(number: u8, version: u8) -> Client {
        let reported =
            Reported { version: Some(version.to_string().into()), ..Reported::default() };
        Client { name: name(number), reported: Some(reported), ..Client::default() }
    }

    fn wish(day: &Day) -> ImportOptions {
        ImportOptions {
            prefix: "emea".to_owned(),
            namespace: None,
            package_from: "server".to_owned(),
            time_zone: None,
            labels: BTreeMap::new(),
            shard_size: day.shard_size,
            max_removals: Limit::Percent(100),
            prune: day.prune,
            drops: BTreeSet::new(),
            allow_older: false,
            now: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn decided(
        day: &Day,
        standings: &BTreeMap<u32, ExistingFleet>,
        wish: &ImportOptions,
    ) -> Result<ImportOutcome, Vec<ImportRefusal>> {
        let clients: BTreeMap<Text, Client> = day
            .clients
            .iter()
            .map(|(number, version)| (name(*number), client(*number, *version)))
            .collect();
        let bad_names = day.bad.iter().map(|number| name(*number)).collect();
        let export = Export {
            clients: &clients,
            provided: &BTreeSet::from([Fact::Field(Field::Version)]),
            bad_names: &bad_names,
            is_in_doubt: day.is_in_doubt,
            moved: &BTreeMap::new(),
            older_than_moved: &BTreeSet::new(),
        };
        decide(&export, standings, wish)
    }

    /// Returns the fleets in the cluster after the outcome is written, including clients that other
    /// field managers list.
    fn written(
        outcome: &ImportOutcome,
        before: &BTreeMap<u32, ExistingFleet>,
    ) -> BTreeMap<u32, ExistingFleet> {
        let stay = outcome.fleets.iter().filter(|fleet| fleet.change != FleetChange::Pruned);
        stay.map(|fleet| {
            let manifest = &fleet.manifest;
            let number = sharding::number("emea", &manifest.metadata.name).expect("its own name");
            let ours = manifest.spec.clients.iter().flatten();
            let mut holds: BTreeMap<Text, ListedBy> = ours
                .map(|client| (client.name.clone(), ListedBy { ours: true, others: false }))
                .collect();
            for (name, hold) in before.get(&number).into_iter().flat_map(|fleet| &fleet.holds) {
                if hold.others {
                    holds
                        .entry(name.clone())
                        .or_insert(ListedBy { ours: false, others: true })
                        .others = true;
                }
            }
            let standing = ExistingFleet {
                name: manifest.metadata.name.clone(),
                holds,
                labels: manifest.metadata.labels.clone(),
                spec: manifest.spec.clone(),
                owned_by_others: BTreeMap::new(),
                last_seen: last_seen(manifest.spec.clients.as_deref().unwrap_or_default()),
            };
            (number, standing)
        })
        .collect()
    }

    fn last_seen(clients: &[Client]) -> BTreeMap<Text, Timestamp> {
        let seen = |client: &Client| client.reported.as_ref()?.last_seen.as_ref()?.parse().ok();
        clients.iter().filter_map(|client| Some((client.name.clone(), seen(client)?))).collect()
    }

    /// Returns a client that was last seen at this hour, if any, and whose version is that hour.
    fn client_at(number: u8, hour: Option<u8>) -> Client {
        let reported = Reported {
            version: Some(hour.map_or_else(|| "none".to_owned(), |hour| hour.to_string()).into()),
            last_seen: hour.map(|hour| format!("2026-11-22T{hour:02}:00:00Z").into()),
            ..Reported::default()
        };
        Client { name: name(number), reported: Some(reported), ..Client::default() }
    }

    fn homes(standings: &BTreeMap<u32, ExistingFleet>) -> BTreeMap<Text, u32> {
        let mut homes = BTreeMap::new();
        for (number, standing) in standings {
            for name in standing.holds.keys() {
                assert_eq!(homes.insert(name.clone(), *number), None, "{name} is in two fleets");
            }
        }
        homes
    }

    fn reported(standings: &BTreeMap<u32, ExistingFleet>) -> BTreeMap<Text, Client> {
        let clients =
            standings.values().flat_map(|standing| standing.spec.clients.iter().flatten());
        clients.map(|client| (client.name.clone(), client.clone())).collect()
    }

    proptest! {
        #[test]
        fn nobody_who_stays_moves(
            days in proptest::collection::vec(day(), 1..8),
            adopted in proptest::collection::btree_set(0..40_u8, 0..6),
        ) {
            let mut standings: BTreeMap<u32, ExistingFleet> = BTreeMap::new();
            for (index, day) in days.iter().enumerate() {
                let wish = wish(day);
                let outcome = decided(day, &standings, &wish).expect("everybody may go");
                let after = written(&outcome, &standings);
                let (before, now) = (homes(&standings), homes(&after));
                let old = reported(&standings);
                let new = reported(&after);
                for (number, version) in &day.clients {
                    let name = name(*number);
                    prop_assert_eq!(&new[&name], &client(*number, *version));
                    prop_assert!(before.get(&name).is_none_or(|home| *home == now[&name]));
                }
                for name in now.keys() {
                    prop_assert!(before.get(name).is_none_or(|home| *home == now[name]));
                }
                for (known, client) in &old {
                    let is_bad = day.bad.iter().any(|number| name(*number) == *known);
                    let is_listed = day.clients.keys().any(|number| name(*number) == *known);
                    if !is_listed {
                        prop_assert_eq!(new.get(known), (is_bad || day.is_in_doubt).then_some(client));
                    }
                }
                for (number, standing) in &after {
                    let had = standings.get(number).map_or(0, |standing| standing.holds.len());
                    prop_assert!(standing.holds.len() <= had.max(day.shard_size));
                    prop_assert!(!day.prune || !standing.holds.is_empty());
                }
                let again = decided(day, &after, &wish).expect("everybody may go");
                prop_assert!(again.fleets.iter().all(|fleet| fleet.change == FleetChange::Unchanged));
                prop_assert_eq!((again.new, again.gone.len()), (0, 0));
                standings = after;
                // Let other field managers list some clients too, to test that these clients stay
                // in their fleets on later days.
                if index == 0 {
                    for standing in standings.values_mut() {
                        for number in &adopted {
                            if let Some(hold) = standing.holds.get_mut(&name(*number)) {
                                hold.others = true;
                            }
                        }
                    }
                }
            }
        }
    }

    proptest! {
           /// Exports in any order take no facts back, and no client is lost by an older one.
           #[test]
           fn no_facts_get_older(
               days in proptest::collection::vec(
                   proptest::collection::btree_map(0..6_u8, proptest::option::of(0..24_u8), 0..6), 1..8
               ),
           ) {
               let mut standings: BTreeMap<u32, ExistingFleet> = BTreeMap::new();
               let provided = [Field::Version, Field::LastSeen].map(Fact::Field).into();
               for day in days {
                   let rows = day.iter().map(|(number, hour)| (name(*number), client_at(*number, *hour)));
                   let export = Export {
                       clients: &rows.collect(),
                       provided: &provided,
                       bad_names: &BTreeSet::new(),
                       is_in_doubt: false,
                       moved: &BTreeMap::new(),
    older_than_moved: &BTreeSet::new(),
                   };
                   let wish = ImportOptions {
                       now: "2026-11-23T00:00:00Z".parse().expect("an instant"),
                       ..wish(&first_day([]))
                   };
                   let outcome = decide(&export, &standings, &wish).expect("everybody may go");
                   let after = written(&outcome, &standings);
                   let (old, new) = (reported(&standings), reported(&after));
                   let seen = |clients: &BTreeMap<Text, Client>, name: &Text| -> Option<Text> {
                       clients.get(name)?.reported.as_ref()?.last_seen.clone()
                   };
                   for (name, client) in &new {
                       prop_assert!(seen(&new, name) >= seen(&old, name), "{name} gets older");
                       let row = &export.clients.get(name);
                       prop_assert!(*row == Some(client) || old.get(name) == Some(client));
                   }
                   let counted = outcome.new + outcome.changed + outcome.unchanged;
                   prop_assert_eq!(
                       counted + outcome.older.len() + outcome.undated.len(),
                       export.clients.len()
                   );
                   for name in old.keys().filter(|name| export.clients.contains_key(*name)) {
                       prop_assert!(new.contains_key(name), "{name} is lost");
                   }
                   standings = after;
               }
           }
       }

    fn first_day(numbers: impl IntoIterator<Item = u8>) -> Day {
        Day {
            clients: numbers.into_iter().map(|number| (number, 0)).collect(),
            bad: BTreeSet::new(),
            is_in_doubt: false,
            shard_size: 10,
            prune: true,
        }
    }

    #[test]
    fn more_than_may_do_not_leave() {
        let day = first_day(0..40);
        let all = written(
            &decided(&day, &BTreeMap::new(), &wish(&day)).expect("nobody goes"),
            &BTreeMap::new(),
        );
        for (gone, limit, is_allowed) in [
            (0, "0%", true),
            (2, "5%", true),
            (3, "5%", false),
            (3, "3", true),
            (3, "2", false),
            (40, "100%", true),
            (40, "99%", false),
        ] {
            let day = first_day(gone..40);
            let wish = ImportOptions {
                max_removals: super::super::outcome::limit(limit).expect("a limit"),
                ..wish(&day)
            };
            let outcome = decided(&day, &all, &wish);
            assert_eq!(outcome.is_ok(), is_allowed, "{gone} of 40 with {limit}");
            if let Err(refusals) = outcome {
                let names = (0..gone).map(name).collect();
                assert_eq!(refusals, [ImportRefusal::Gone { gone: names, of: 40 }]);
            }
        }
        for wrong in ["", "-1", "5 %", "101%", "half"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn clients_of_others_take_room_and_keep_their_fleet() {
        let day = first_day(0..3);
        let first = decided(&day, &BTreeMap::new(), &wish(&day)).expect("nobody goes");
        let mut standings = written(&first, &BTreeMap::new());
        let holds = &mut standings.get_mut(&1).expect("the first").holds;
        // Let Git list a new client and one of the import's clients, so that the fleet contains
        // every combination of owners.
        holds.insert("GIT-1".into(), ListedBy { ours: false, others: true });
        holds.insert(name(0), ListedBy { ours: true, others: true });

        let next = Day { shard_size: 3, ..first_day([3, 4]) };
        let outcome = decided(&next, &standings, &wish(&next)).expect("everybody may go");
        assert_eq!(outcome.gone.len(), 3);
        assert_eq!(outcome.held_by_others, [name(0)]);
        let homes = homes(&written(&outcome, &standings));
        assert_eq!((homes[&name(3)], homes[&name(4)]), (1, 2), "one place is left in the first");

        let nobody = first_day([]);
        let outcome = decided(&nobody, &standings, &wish(&nobody)).expect("everybody may go");
        assert_eq!(
            outcome.fleets[0].change,
            FleetChange::Changed,
            "others are in it: it is not pruned"
        );
    }
}
