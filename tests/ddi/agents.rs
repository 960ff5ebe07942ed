//! Tests the requests of each known agent, in the form in which the agent sends them.

use clientfleet::ddi::attributes::{AgentFacts, AttributeNames, Change, ConfigData, UpdateMode};
use clientfleet::ddi::feedback::{ErrorText, Execution, Feedback, Finished, Outcome, Progress};
use clientfleet::ddi::{ActionId, Agent, RequestPath, Resource};

fn resource(path: &str) -> Resource {
    let parsed = RequestPath::parse(path).expect("a path");
    assert_eq!(parsed.tenant.to_lowercase(), "default");
    assert_eq!(parsed.client, "dev1");
    parsed.resource
}

fn facts(body: &[u8]) -> (UpdateMode, AgentFacts) {
    let names = AttributeNames::default();
    let data = ConfigData::parse(body, &names).expect("attributes");
    (data.mode, AgentFacts::of(&data, &names))
}

fn set(value: &str) -> Change {
    Change::Set(value.into())
}

/// swupdate 2022.12 writes an id as a number, and its log as it is.
#[test]
fn swupdate() {
    assert_eq!(Agent::from_user_agent(Some("libcurl-agent/1.0")), Agent::Swupdate);
    let id = ActionId::parse("17");
    assert_eq!(resource("/default/controller/v1/dev1"), Resource::Base);
    assert_eq!(
        resource("/DEFAULT/controller/v1/dev1/deploymentBase/17/feedback"),
        Resource::DeploymentFeedback(id)
    );
    let (mode, told) = facts(
        br#"{ "id": "", "time": "20261128T124312", "status": { "result": { "finished": "success" },
        "execution": "closed", "details" : [ "" ] }, "data" : { "user": "alice", "hw": "board",
        "version": "1.0" } }"#,
    );
    assert_eq!((mode, told.version, told.user), (UpdateMode::Merge, set("1.0"), set("alice")));
    let report = |finished: &str, execution: &str, done: u8, details: &str| {
        let body = format!(
            "{{ \"id\": 17, \"time\": \"20261128T124330\", \"status\": {{ \"result\": {{ \"progress\": \
             {{ \"cnt\": {done}, \"of\": 1 }}, \"finished\": \"{finished}\" }}, \"execution\": \
             \"{execution}\", \"details\" : [ {details} ] }} }}"
        );
        Feedback::read(body.as_bytes())
    };
    let begun = report("none", "proceeding", 0, r#""Installing Update Chunk Artifacts.""#);
    assert!(begun.begins_installation() && begun.outcome().is_none());
    assert_eq!(begun.progress, Some(Progress::Steps { done: 0, of: 1 }));
    assert!(report("none", "proceeding", 1, r#""All Chunks Installed.""#).awaits_restart());
    let closed = report("success", "closed", 1, r#""Update Installed.""#);
    assert_eq!(closed.outcome(), Some(Outcome::Succeeded));

    let mut error = ErrorText::default();
    error.observe(&begun);
    error.observe(&report(
        "none",
        "proceeding",
        0,
        "\"[run] : \x1b[31mscript\x1b[0m\tfailed\n\" , \"ERROR : can't write \"/dev/x\": voll\",\"ERROR \
         : SWUpdate *failed* !\"",
    ));
    let failed = report("failure", "closed", 0, r#""No suitable .swu image found""#);
    assert_eq!(failed.outcome(), Some(Outcome::Failed));
    assert_eq!(error.message(&failed).as_deref(), Some("can't write \"/dev/x\": voll"));
}

#[test]
fn swupdate_with_a_log_in_latin_1() {
    let mut body =
        br#"{ "id": 17, "time": "x", "status": { "result": { "progress": { "cnt": 0, "of": 1 },
        "finished": "failure" }, "execution": "closed", "details" : [ ""#
            .to_vec();
    body.extend(b"ERROR : Ger\xe4t \"a\" nicht gefunden\n\x1b\x07\" ] } }");
    let feedback = Feedback::read(&body);
    assert_eq!(feedback.outcome(), Some(Outcome::Failed));
    let message = ErrorText::default().message(&feedback);
    assert_eq!(message.as_deref(), Some("Gerät \"a\" nicht gefunden"));
}

/// rauc-hawkbit-updater writes an id as text, and a report per step.
#[test]
fn rauc_hawkbit_updater() {
    assert_eq!(Agent::from_user_agent(Some("rauc-hawkbit-c-agent/1.0")), Agent::RaucHawkbitUpdater);
    assert_eq!(
        resource("/DEFAULT/controller/v1/dev1/cancelAction/17/feedback"),
        Resource::CancelFeedback(ActionId::parse("17"))
    );
    let report = |execution: &str, finished: &str, detail: &str| {
        Feedback::read(
            format!(
                r#"{{"id":"17","status":{{"execution":"{execution}","result":{{"finished":"{finished}"}},"details":["{detail}"]}}}}"#
            )
            .as_bytes(),
        )
    };
    let step = report("proceeding", "none", " 20% Verifying signature");
    assert_eq!((step.execution, step.outcome()), (Execution::Proceeding, None));
    let mut error = ErrorText::default();
    error.observe(&step);
    error.observe(&report("proceeding", "none", "LastError: signature verification failed"));
    let failed = report("closed", "failure", "Failed to install software bundle.");
    assert_eq!(error.message(&failed).as_deref(), Some("signature verification failed"));
    let done = report("closed", "success", "Software bundle installed successfully.");
    assert_eq!(done.outcome(), Some(Outcome::Succeeded));
    let rejected = report("rejected", "success", "Action cancelation rejected.");
    assert_eq!((rejected.execution, rejected.outcome()), (Execution::Rejected, None));
    assert_eq!(report("downloaded", "success", "").execution, Execution::Downloaded);
    let (mode, told) = facts(
        br#"{"id":"","status":{"execution":"closed","result":{"finished":"success"},"details":[""]},"data":{"version":"2","product":"Terminator"}}"#,
    );
    assert_eq!((mode, told.version), (UpdateMode::Merge, set("2")));
}

/// rauc-hawkbit has a percentage, and sends its errors as reports that are proceeding and failed.
#[test]
fn rauc_hawkbit() {
    assert_eq!(Agent::from_user_agent(Some("Python/3.11 aiohttp/3.8.4")), Agent::RaucHawkbit);
    let report = |execution: &str, finished: &str, progress: &str, detail: &str| {
        Feedback::read(
            format!(
                r#"{{"id": "17", "time": "20261128T124312", "status": {{"result": {{"finished": "{finished}", "progress": {progress}}}, "execution": "{execution}", "details": ["{detail}"]}}}}"#
            )
            .as_bytes(),
        )
    };
    let step = report("proceeding", "none", r#"{"percentage": 20}"#, "Checking bundle");
    assert_eq!(step.progress, Some(Progress::Percentage(20)));
    let error_report = report("proceeding", "failure", "{}", "Failed mounting bundle");
    assert_eq!((error_report.finished, error_report.outcome()), (Finished::Failure, None));
    let mut error = ErrorText::default();
    error.observe(&step);
    error.observe(&error_report);
    let failed = report("closed", "failure", "{}", "Rauc bundle update completed with result: 1");
    assert_eq!(error.message(&failed).as_deref(), Some("Failed mounting bundle"));
    let (_, told) = facts(
        br#"{"id": "", "time": "x", "status": {"result": {"finished": "success"}, "execution": "closed", "details": []}, "data": {"MAC": "12:34:56:78:9A:BC"}}"#,
    );
    assert_eq!(told, AgentFacts::default());
}

/// Zephyr sends no `User-Agent` header, and newer versions send no id.
#[test]
fn zephyr() {
    assert_eq!(Agent::from_user_agent(None), Agent::Unnamed);
    for id in [r#""id":"17","#, ""] {
        let body = format!(
            r#"{{{id}"status":{{"result":{{"finished":"success"}},"execution":"closed"}}}}"#
        );
        assert_eq!(Feedback::read(body.as_bytes()).outcome(), Some(Outcome::Succeeded));
    }
    let (mode, told) = facts(
        br#"{"mode":"merge","data":{"VIN":"0011","hwRevision":"3"},"id":"","time":"","status":{"result":{"finished":"success"},"execution":"closed"}}"#,
    );
    assert_eq!((mode, told), (UpdateMode::Merge, AgentFacts::default()));
}

#[test]
fn arduino_client() {
    let report = |execution: &str| {
        let body = format!(
            r#"{{"id":"17","status":{{"execution":"{execution}","result":{{"finished":"none"}},"details":["Scheduled"]}}}}"#
        );
        Feedback::read(body.as_bytes()).execution
    };
    assert_eq!(report("scheduled"), Execution::Scheduled);
    assert_eq!(report("resumed"), Execution::Resumed);
    assert_eq!(report("canceled"), Execution::Canceled);
    let (mode, told) = facts(br#"{"mode":"replace","data":{"version":"3"}}"#);
    assert_eq!((mode, told.version, told.user), (UpdateMode::Replace, set("3"), Change::Clear));
}

/// The Rust client serializes its attributes from any type, and a mode that is not set as `null`.
#[test]
fn rust_client() {
    let (mode, told) = facts(
        br#"{"mode":null,"data":{"version":3,"computer":"ws1","debug":true,"user":null},"status":{"execution":"closed","result":{"finished":"success"},"details":[]}}"#,
    );
    assert_eq!((mode, told.version, told.user), (UpdateMode::Merge, set("3"), Change::Keep));
    let body = br#"{"id":"17","status":{"execution":"proceeding","result":{"finished":"none","progress":{"cnt":1,"of":3}},"details":["downloading"]}}"#;
    assert_eq!(Feedback::read(body).progress, Some(Progress::Steps { done: 1, of: 3 }));
}
