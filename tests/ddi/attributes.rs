//! Tests which facts are taken from attributes.

use clientfleet::ddi::attributes::{
    AgentFacts, AttributeNameError, AttributeNames, BodyError, Change, ConfigData, UpdateMode,
    read_installed_version,
};
use serde_json::{Value, json};

fn parse(body: Value) -> ConfigData {
    let body = body.to_string();
    ConfigData::parse(body.as_bytes(), &AttributeNames::default()).expect("attributes")
}

fn facts(body: Value) -> AgentFacts {
    AgentFacts::of(&parse(body), &AttributeNames::default())
}

fn set(value: &str) -> Change {
    Change::Set(value.into())
}

#[test]
fn attributes_are_text() {
    let data =
        parse(json!({"data": {"a": "b", "n": 1.5, "t": true, "o": {"x": []}, "null": null}})).data;
    let data: Vec<_> = data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(data, [("a", "b"), ("n", "1.5"), ("o", r#"{"x":[]}"#), ("t", "true")]);
}

#[test]
fn the_mode_is_merge_unless_another_is_given() {
    for (mode, expected) in [
        (json!("merge"), UpdateMode::Merge),
        (json!("replace"), UpdateMode::Replace),
        (json!("REMOVE"), UpdateMode::Remove),
        (json!("x"), UpdateMode::Merge),
        (json!(null), UpdateMode::Merge),
        (json!(1), UpdateMode::Merge),
    ] {
        assert_eq!(parse(json!({"mode": mode, "data": {}})).mode, expected, "{mode}");
    }
    assert_eq!(parse(json!({"data": {}})).mode, UpdateMode::Merge);
}

#[test]
fn attributes_are_limited() {
    let mut data: serde_json::Map<String, Value> =
        (0..150).map(|number| (format!("a{number:03}"), json!("x"))).collect();
    data.insert("version".to_owned(), json!("1.0"));
    data.insert("k".repeat(129), json!("x"));
    let parsed = parse(json!({"data": data}));
    assert_eq!((parsed.data.len(), parsed.omitted), (100, 52));
    assert_eq!(parsed.data.get("version").map(String::as_str), Some("1.0"));
    let long = parse(json!({"data": {"a": "é".repeat(400)}}));
    assert_eq!(long.data["a"], "é".repeat(256));
}

#[test]
fn a_body_without_attributes_is_refused() {
    let parse = |body: &[u8]| ConfigData::parse(body, &AttributeNames::default());
    for body in [&b""[..], b"x", b"[]", b"null"] {
        assert_eq!(parse(body), Err(BodyError::NotAnObject));
    }
    for body in [&b"{}"[..], b"{\"data\":[]}", b"{\"data\":null}"] {
        assert_eq!(parse(body), Err(BodyError::NoData));
    }
    let broken = parse(b"{\"data\":{\"user\":\"M\xfcller\t\"}}\n").expect("attributes");
    assert_eq!(broken.data["user"], "Müller\t");
}

#[test]
fn facts_are_values_that_the_api_accepts() {
    let all = facts(json!({"data": {"version": " 3.59.0\n", "computer": "WS\u{202e}1\u{7}x",
        "user": "a".repeat(100), "bootId": "b1", "hw": "board"}}));
    assert_eq!(
        all,
        AgentFacts {
            version: set("3.59.0"),
            computer: set("WS1 x"),
            user: set(&("a".repeat(93) + "...")),
            boot_id: set("b1"),
            refused: Vec::new(),
        }
    );
    let odd = facts(json!({"data": {"version": "nightly", "computer": 7}}));
    assert_eq!((odd.version, odd.computer), (set("nightly"), set("7")));
}

#[test]
fn values_without_an_accepted_form_are_refused() {
    let refused = facts(json!({"data": {"version": "1".repeat(65), "computer": "\u{200b} ",
        "user": "", "bootId": "b".repeat(129)}}));
    let keys: Vec<_> = refused.refused.iter().map(|refused| refused.key.as_str()).collect();
    assert_eq!(keys, ["version", "computer", "user", "bootId"]);
    assert_eq!(AgentFacts { refused: Vec::new(), ..refused }, AgentFacts::default());
    for version in ["", " ", "a\tb"] {
        assert_eq!(facts(json!({"data": {"version": version}})).refused.len(), 1, "{version:?}");
    }
}

#[test]
fn the_mode_decides_about_other_facts() {
    let version = |mode: &str, data: Value| facts(json!({"mode": mode, "data": data})).version;
    assert_eq!(version("merge", json!({})), Change::Keep);
    assert_eq!(version("replace", json!({})), Change::Clear);
    assert_eq!(version("replace", json!({"version": "1"})), set("1"));
    assert_eq!(version("remove", json!({})), Change::Keep);
    assert_eq!(version("remove", json!({"version": null})), Change::Clear);
    assert_eq!(version("merge", json!({"version": null})), Change::Keep);
}

#[test]
fn attributes_can_have_other_names() {
    let names = AttributeNames::renamed(["version=fw=1", "computer=user", "user=computer"]);
    let names = names.expect("names");
    let body = json!({"data": {"fw=1": "2", "version": "1", "user": "PC", "computer": "alice"}});
    let data = ConfigData::parse(body.to_string().as_bytes(), &names).expect("attributes");
    let facts = AgentFacts::of(&data, &names);
    assert_eq!((facts.version, facts.computer, facts.user), (set("2"), set("PC"), set("alice")));
    for (changes, error) in [
        (&["version"][..], AttributeNameError::BadForm("version".to_owned())),
        (&["version="], AttributeNameError::BadForm("version=".to_owned())),
        (&["ip=addr"], AttributeNameError::BadForm("ip=addr".to_owned())),
        (&["bootid=x"], AttributeNameError::BadForm("bootid=x".to_owned())),
        (&["user=x", "user=y"], AttributeNameError::Twice("user".to_owned())),
        (&["user=version"], AttributeNameError::Ambiguous("version".to_owned())),
        (&["user=x", "version=x"], AttributeNameError::Ambiguous("x".to_owned())),
    ] {
        assert_eq!(AttributeNames::renamed(changes.iter().copied()), Err(error));
    }
    let long = format!("user={}", "x".repeat(129));
    assert_eq!(
        AttributeNames::renamed([long.as_str()]),
        Err(AttributeNameError::TooLong("user".to_owned()))
    );
}

#[test]
fn the_installed_version_is_read() {
    let read = |body: &str| read_installed_version(body.as_bytes());
    assert_eq!(read(r#"{"name":"client","version":" 3.60.0 "}"#).as_deref(), Ok("3.60.0"));
    assert_eq!(read(r#"{"version":3}"#).as_deref(), Ok("3"));
    for body in [r#"{"name":"x"}"#, r#"{"version":""}"#, r#"{"version":null}"#] {
        assert_eq!(read(body), Err(BodyError::NoVersion), "{body}");
    }
    for body in ["", "[]", "\"1.0\""] {
        assert_eq!(read(body), Err(BodyError::NotAnObject), "{body}");
    }
    let long = format!(r#"{{"version":"{}"}}"#, "1".repeat(65));
    assert_eq!(read(&long), Err(BodyError::NoVersion));
}
