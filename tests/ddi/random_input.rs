//! Tests that no bytes cause a panic, and that all results stay within their limits.
//!
//! The inputs are the same in each run. `DDI_INPUTS=1000000 cargo test --test ddi random` tests more
//! inputs, with another seed in each run.

use clientfleet::ddi::attributes::{
    AgentFacts, AttributeNames, Change, ConfigData, read_installed_version,
};
use clientfleet::ddi::credentials::{Authorization, KeyRing};
use clientfleet::ddi::feedback::{ErrorText, Feedback};
use clientfleet::ddi::{ActionId, Agent, BaseUrl, RequestPath};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Number of inputs if `DDI_INPUTS` is not set.
const INPUTS: u32 = 4000;

/// Parts of requests. Inputs are built from them, so that many inputs are almost valid.
const PARTS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b" ",
    b"\n",
    b"\0",
    b"\x1b[",
    b"\"id\":17,",
    b"\"status\":{",
    b"\"execution\":\"closed\"",
    b"\"result\":{",
    b"\"finished\":\"failure\"",
    b"\"progress\":{",
    b"\"cnt\":1",
    b"\"of\":",
    b"\"percentage\":1e99",
    b"\"code\":-9",
    b"\"details\":[",
    b"\"details\" :",
    b"ERROR : ",
    b"[ERROR] : SWUPDATE failed [0] ",
    b"LastError: ",
    b"\"mode\":\"remove\"",
    b"\"data\":{",
    b"\"version\":",
    b"\"user\":null",
    b"\"computer\":\"",
    b"\xfc",
    b"\xe2\x80",
    b"\xe2\x80\xae",
    b"\xf0\x9f\xa6\x80",
    b"/",
    b"%2F",
    b"%",
    b"..",
    b"/default/controller/v1/a",
    b"/deploymentBase/",
    b"/feedback",
    b"/softwaremodules/1.0",
    b"/artifacts/",
    b".MD5SUM",
    b"2147483648",
    b"0",
    b"TargetToken ",
    b"https://",
    b"#",
    b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    b"=",
    b"libcurl-agent/",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(PARTS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (prop::sample::select(PARTS), 1..600_usize).prop_map(|(part, times)| part.repeat(times)),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn config() -> Config {
    let inputs = std::env::var("DDI_INPUTS").ok().and_then(|inputs| inputs.parse().ok());
    Config {
        failure_persistence: None,
        rng_seed: inputs.map_or(RngSeed::Fixed(1), |_| RngSeed::Random),
        ..Config::with_cases(inputs.unwrap_or(INPUTS))
    }
}

fn check_bodies(bytes: &[u8]) {
    let feedback = Feedback::read(bytes);
    assert!(feedback.details.len() <= 32);
    assert!(feedback.details.iter().all(|detail| detail.len() <= 1024));
    let mut error = ErrorText::default();
    error.observe(&feedback);
    for text in [error, ErrorText::default()] {
        if let Some(message) = text.message(&feedback) {
            assert!(clientfleet::api::reported_text::MESSAGE.accepts(&message), "{message}");
            assert!(!message.is_empty() && !message.contains('\u{202e}'), "{message}");
        }
    }
    let names = AttributeNames::default();
    if let Ok(data) = ConfigData::parse(bytes, &names) {
        assert!(data.data.len() <= 100);
        assert!(data.data.iter().all(|(key, value)| key.len() <= 128 && value.len() <= 512));
        let AgentFacts { version, computer, user, .. } = AgentFacts::of(&data, &names);
        use clientfleet::api::reported_text::{COMPUTER, USER, VERSION};
        for (change, bound) in [(version, VERSION), (computer, COMPUTER), (user, USER)] {
            if let Change::Set(value) = change {
                assert!(bound.accepts(&value) && !value.is_empty(), "{value}");
            }
        }
    }
    if let Ok(version) = read_installed_version(bytes) {
        assert!(!version.is_empty());
    }
}

fn check_headers(bytes: &[u8]) {
    let _ = Authorization::parse(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = Agent::from_user_agent(Some(&text));
    let _ = ActionId::parse(&text);
    let _ = text.parse::<BaseUrl>();
    let _ = AttributeNames::renamed([&*text]);
    if let Ok(path) = RequestPath::parse(&text) {
        for name in [&path.tenant, &path.client] {
            assert!(!name.is_empty() && !name.contains('/') && !name.contains(char::is_control));
            assert!(name != "." && name != "..");
        }
    }
    if let Err(error) = KeyRing::parse(&text) {
        let error = error.to_string();
        assert!(!error.contains("AAECAwQFBg"), "{error}");
    }
}

#[test]
fn random_input_causes_no_panic() {
    let result = TestRunner::new(config()).run(&input(), |bytes| {
        check_bodies(&bytes);
        check_headers(&bytes);
        let path = [b"/default/controller/v1/a", bytes.as_slice()].concat();
        check_headers(&path);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
