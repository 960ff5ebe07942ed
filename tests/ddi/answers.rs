//! Tests the exact bodies of answers.

use std::time::Duration;

use clientfleet::ddi::answer::{
    Artifact, BaseAnswer, CancelAnswer, DeploymentAnswer, FileHashes, Link,
};
use clientfleet::ddi::{ActionId, FileName, Hrefs, PollInterval};
use serde::Serialize;

fn hrefs() -> Hrefs {
    let base = "https://updates.example.com".parse().expect("a URL");
    Hrefs::new(&base, "default", "WS é")
}

fn id() -> ActionId {
    ActionId::parse("1234567891").expect("an id")
}

fn hashes() -> FileHashes {
    let mut sha256 = [0xab; 32];
    sha256[28..].copy_from_slice(&[0xff, 0, 1, 2]);
    FileHashes { sha1: [0x01; 20], md5: [0xf0; 16], sha256 }
}

fn pretty(body: impl Serialize) -> String {
    serde_json::to_string_pretty(&body).expect("JSON")
}

fn base(link: Option<Link>) -> String {
    let sleep = PollInterval::from(Duration::from_secs(300));
    serde_json::to_string(&BaseAnswer::new(sleep, link, &hrefs())).expect("JSON")
}

#[test]
fn base_answers() {
    let config = r#"{"config":{"polling":{"sleep":"00:05:00"}}"#;
    assert_eq!(base(None), format!("{config}}}"));
    let client = "https://updates.example.com/DEFAULT/controller/v1/WS%20%C3%A9";
    let deployment = Link::Deployment { id: id(), revision: hashes().revision() };
    for (link, name, path) in [
        (Link::ConfigData, "configData", "configData"),
        (Link::Cancel(id()), "cancelAction", "cancelAction/1234567891"),
        (deployment, "deploymentBase", "deploymentBase/1234567891?c=2130706690"),
    ] {
        let links = format!(r#","_links":{{"{name}":{{"href":"{client}/{path}"}}}}}}"#);
        assert_eq!(base(Some(link)), format!("{config}{links}"));
    }
}

#[test]
fn cancellation() {
    let body = serde_json::to_string(&CancelAnswer::new(id())).expect("JSON");
    assert_eq!(body, r#"{"id":"1234567891","cancelAction":{"stopId":"1234567891"}}"#);
}

#[test]
fn deployment() {
    let file = FileName::parse("client_3.60+b1.swu").expect("a name");
    let artifact = Artifact { file, size: 5_000_000_000, hashes: hashes() };
    let body = DeploymentAnswer::new(id(), "emea-server-1", "3.60.0+b1", &artifact, &hrefs());
    insta::assert_snapshot!(pretty(body));
}
