//! Tests laws of ids, paths and tokens with drawn values.

use clientfleet::ddi::credentials::{Authorization, KeyRing};
use clientfleet::ddi::{ActionId, BaseUrl, FileName, Hrefs, PollInterval, RequestPath, Resource};
use clientfleet::values::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

fn config(cases: u32) -> Config {
    Config { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::with_cases(cases) }
}

/// Names of clients that a path can contain.
const CLIENT: &str = r"[A-Za-z0-9 .%+\\?#é佐_-]{0,14}[A-Za-z0-9é]";

fn base() -> BaseUrl {
    "https://h/x".parse().expect("a URL")
}

fn parsed(href: &str) -> RequestPath {
    let path = href.strip_prefix("https://h/x").expect("the base URL");
    let path = path.split('?').next().expect("a path");
    RequestPath::parse(path).expect("a path")
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn ids_fit_every_agent(
        namespace in "[a-z]{1,9}",
        client in CLIENT,
        version in "[0-9.]{1,9}",
        seconds in 0..4_000_000_000_i64,
    ) {
        let time = Timestamp::from_timestamp(seconds, 0).expect("an instant");
        let id = ActionId::of(&namespace, &client, &version, time);
        prop_assert!((1..=2_147_483_647).contains(&id.get()) && !id.get().is_multiple_of(10));
        prop_assert_eq!(ActionId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn numbers_are_ids_if_an_agent_can_use_them(number in prop_oneof![any::<u64>(), 0..3_000_000_000_u64]) {
        let is_id = (1..=2_147_483_647).contains(&number) && number % 10 != 0;
        let id = ActionId::parse(&number.to_string());
        prop_assert_eq!(id.map(|id| u64::from(id.get())), is_id.then_some(number));
    }

    #[test]
    fn the_paths_in_answers_are_parsed(
        tenant in r"[A-Za-z0-9 é%_-]{1,9}",
        client in CLIENT,
        version in r"v?[0-9]{1,3}(\.[0-9]{1,3}){0,3}(\+[0-9a-z]{1,4})?",
        file in r"[A-Za-z0-9._+-]{0,20}[a-z]",
        number in 1..i32::MAX as u32,
    ) {
        let id = ActionId::parse(&number.to_string());
        let file = FileName::parse(&file);
        let (Some(id), Some(file)) = (id, file) else { return Ok(()) };
        let hrefs = Hrefs::new(&base(), &tenant, &client);
        for (href, resource) in [
            (hrefs.deployment(id, number), Resource::Deployment(Some(id))),
            (hrefs.cancel(id), Resource::Cancel(Some(id))),
            (hrefs.config_data(), Resource::ConfigData),
            (
                hrefs.artifact(&version, &file),
                Resource::Artifact { version: version.clone(), file: file.clone() },
            ),
            (
                hrefs.artifact_md5(&version, &file),
                Resource::ArtifactMd5 { version: version.clone(), file: file.clone() },
            ),
        ] {
            prop_assert!(href.parse::<http::Uri>().is_ok(), "{}", href);
            let path = parsed(&href);
            prop_assert_eq!(&path.client, &client);
            prop_assert_eq!(&path.tenant, &tenant.to_ascii_uppercase());
            prop_assert_eq!(path.resource, resource);
        }
    }

    #[test]
    fn intervals_have_8_characters(milliseconds in any::<u64>()) {
        let interval = PollInterval::from(std::time::Duration::from_millis(milliseconds));
        prop_assert_eq!(interval.to_string().len(), 8);
        prop_assert!((1..86_400).contains(&interval.duration().as_secs()));
    }

    #[test]
    fn a_token_is_valid_for_one_client(
        namespace in "[a-z]{1,3}", client in "[a-z/]{1,3}",
        other_namespace in "[a-z]{1,3}", other_client in "[a-z/]{1,3}",
    ) {
        let keys = keys();
        let token = keys.token(&namespace, &client);
        let is_same = (&namespace, &client) == (&other_namespace, &other_client);
        prop_assert!(keys.accepts(&token, &namespace, &client));
        prop_assert_eq!(keys.accepts(&token, &other_namespace, &other_client), is_same);
        let header = format!("TargetToken {}", token.reveal());
        prop_assert_eq!(Authorization::parse(header.as_bytes()), Ok(Authorization::Target(token)));
    }
}

fn keys() -> KeyRing {
    KeyRing::parse(&"07".repeat(32)).expect("a key")
}

#[test]
fn the_boundary_between_two_names_counts() {
    assert_ne!(keys().token("a", "b/c"), keys().token("a/b", "c"));
    assert_ne!(keys().token("a", "bc"), keys().token("ab", "c"));
    assert_ne!(keys().token("", "a"), keys().token("a", ""));
}
