//! Tests which paths are resources of a client.

use clientfleet::ddi::path::{MAX_PATH_BYTES, PathError, can_contain};
use clientfleet::ddi::{ActionId, FileName, RequestPath, Resource};

fn parse(path: &str) -> Result<RequestPath, PathError> {
    RequestPath::parse(path)
}

fn id(text: &str) -> Option<ActionId> {
    Some(ActionId::parse(text).expect("an id"))
}

#[test]
fn each_resource_has_a_path() {
    let (version, file) = ("3.59.0+b7".to_owned(), FileName::parse("a_1.swu").expect("a name"));
    for (path, resource) in [
        ("", Resource::Base),
        ("/deploymentBase/17", Resource::Deployment(id("17"))),
        ("/deploymentBase/17/feedback", Resource::DeploymentFeedback(id("17"))),
        ("/deploymentBase/0/feedback", Resource::DeploymentFeedback(None)),
        ("/deploymentBase/2147483648/feedback", Resource::DeploymentFeedback(None)),
        ("/cancelAction/17", Resource::Cancel(id("17"))),
        ("/cancelAction/17/feedback", Resource::CancelFeedback(id("17"))),
        ("/configData", Resource::ConfigData),
        ("/installedBase", Resource::InstalledVersion),
        ("/installedBase/17", Resource::InstalledAction(id("17"))),
        (
            "/softwaremodules/3.59.0%2Bb7/artifacts",
            Resource::ArtifactList { version: version.clone() },
        ),
        (
            "/softwaremodules/3.59.0+b7/artifacts/a_1.swu",
            Resource::Artifact { version: version.clone(), file: file.clone() },
        ),
        (
            "/softwaremodules/3.59.0%2bb7/artifacts/a%5F1.swu.MD5SUM",
            Resource::ArtifactMd5 { version: version.clone(), file: file.clone() },
        ),
        (
            "/softwaremodules/3.59.0+b7/artifacts/a_1.swu.minisig",
            Resource::ArtifactSignature { version, file },
        ),
        ("/confirmationBase", Resource::Confirmation),
        ("/confirmationBase/17/feedback", Resource::Confirmation),
        ("/confirmationBase/activateAutoConfirm", Resource::Confirmation),
    ] {
        let parsed = parse(&format!("/DEFAULT/controller/v1/WS%20%C3%A9%5Cx{path}"));
        let tenant = "DEFAULT".to_owned();
        let client = "WS é\\x".to_owned();
        assert_eq!(parsed, Ok(RequestPath { tenant, client, resource }), "{path}");
    }
}

#[test]
fn other_paths_are_refused() {
    use PathError::*;
    for (path, error) in [
        ("", NotAController),
        ("/", BadSegment),
        ("default/controller/v1/a", NotAController),
        ("/default/controller/v1", NotAController),
        ("/default/controller/v2/a", NotAController),
        ("/default/Controller/v1/a", NotAController),
        ("/default/controller/v1/a/", BadSegment),
        ("/default/controller/v1//configData", BadSegment),
        ("//controller/v1/a", BadSegment),
        ("/default/controller/v1/..", BadSegment),
        ("/default/controller/v1/%2e%2E/configData", BadSegment),
        ("/default/controller/v1/a%2Fb", BadSegment),
        ("/default/controller/v1/a%00", BadSegment),
        ("/default/controller/v1/a%0A", BadSegment),
        ("/default/controller/v1/a%C2%85", BadSegment),
        ("/default/controller/v1/a%FF", BadSegment),
        ("/default/controller/v1/a%", BadSegment),
        ("/default/controller/v1/a%2", BadSegment),
        ("/default/controller/v1/a%2G", BadSegment),
        ("/default/controller/v1/a%+1", BadSegment),
        ("/default/controller/v1/%3Cscript%3E", BadClientName),
        ("/default/controller/v1/a/deploymentBase", UnknownResource),
        ("/default/controller/v1/a/deploymentbase/17", UnknownResource),
        ("/default/controller/v1/a/deploymentBase/17/feedback/x", UnknownResource),
        ("/default/controller/v1/a/configData/17", UnknownResource),
        ("/default/controller/v1/a/softwaremodules/1.0", UnknownResource),
        ("/default/controller/v1/a/softwaremodules/new/artifacts/a", BadVersion),
        ("/default/controller/v1/a/softwaremodules/..%5Cx/artifacts/a", BadVersion),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/a%20b", BadFileName),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/a%5Cb", BadFileName),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/.MD5SUM", BadFileName),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/.minisig", BadFileName),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/a.minisig.MD5SUM", BadFileName),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/a.MD5SUM.minisig", BadFileName),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/..", BadSegment),
        ("/default/controller/v1/a/softwaremodules/1.0/artifacts/%2E%2E%2Fx", BadSegment),
    ] {
        assert_eq!(parse(path), Err(error), "{path}");
    }
    let long = |bytes: usize| format!("/default/controller/v1/{}", "a".repeat(bytes));
    assert_eq!(parse(&long(MAX_PATH_BYTES)), Err(TooLong));
    assert_eq!(parse(&long(64)), Err(BadClientName));
    assert!(parse(&long(63)).is_ok());
}

#[test]
fn names_are_decoded_once() {
    let parsed = parse("/d%2545/controller/v1/a%252Fb").expect("a path");
    assert_eq!((parsed.tenant.as_str(), parsed.client.as_str()), ("d%45", "a%2Fb"));
}

#[test]
fn some_clients_have_no_path() {
    for (client, expected) in
        [("LT-1", true), ("a b", true), ("R%41", true), ("a/b", false), ("..", false), ("", false)]
    {
        assert_eq!(can_contain(client), expected, "{client}");
    }
}

#[test]
fn file_names_are_plain() {
    let longest = "x".repeat(FileName::MAX_BYTES);
    for name in ["a", ".a", "a.raucb", "A_b-1.2+3.swu", "...", &longest] {
        assert_eq!(FileName::parse(name).as_ref().map(FileName::as_str), Some(name));
    }
    let too_long = "x".repeat(FileName::MAX_BYTES + 1);
    let bad = ["", ".", "..", "a/b", "a b", "a\\b", "é", "a\0", "a.MD5SUM", "a.minisig", "a~"];
    for name in bad.into_iter().chain([too_long.as_str()]) {
        assert_eq!(FileName::parse(name), None, "{name}");
    }
}
