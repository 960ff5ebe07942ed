//! Tests every kind of refusal with a real API server and with `api::admission`, which validates
//! objects without a server.
//!
//! Both must refuse the same field for the same reason, and accept the corrected object.

mod cases;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod differential;
mod generated;
#[path = "../served/mod.rs"]
mod served;
mod stored;

use std::collections::BTreeSet;

use cases::{By, Case};
use clientfleet::api::Kind;
use clientfleet::api::admission::{self, Problem};
use control_plane::namespace;
use kube::core::Status;
use serde_json::Value;

#[test]
fn the_bases_are_accepted() {
    for kind in Kind::ALL {
        assert_eq!(admission::check(kind, &cases::base(kind)), []);
    }
}

#[test]
fn each_case_has_a_name_of_its_own() {
    let cases = cases::all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
}

/// Returns the causes of a refusal as pairs of a field and a message. If the status lists no
/// causes, returns its message with an empty field.
fn server_problems(status: &Status) -> Vec<(String, String)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let told: Vec<_> = causes.map(|cause| (cause.field.clone(), cause.message.clone())).collect();
    if told.is_empty() { vec![(String::new(), status.message.clone())] } else { told }
}

fn check_refusal(case: &Case, answer: &served::Answer, problems: &[Problem]) -> String {
    let name = &case.name;
    let Err(status) = answer else { panic!("{name}: the API server accepts it: {answer:?}") };
    let told = server_problems(status);
    let own = problems.iter().find(|problem| problem.field == case.field);
    let own = own.unwrap_or_else(|| panic!("{name}: not refused at {}: {problems:?}", case.field));
    assert!(own.message.contains(&case.says), "{name}: {} lacks {:?}", own.message, case.says);
    match case.by {
        By::Rule => {
            // Compare only the text after the quoted value, because `api::admission` and the API
            // server quote the value differently.
            let at = own.message.find("must ").unwrap_or(0);
            let sentence = &own.message[at..];
            let same = |(field, message): &(String, String)| {
                *field == case.field && message.ends_with(sentence)
            };
            assert!(told.iter().any(same), "{name}: no {sentence:?} at {} in {told:?}", case.field);
        }
        By::Schema => {
            // Accept similar field paths. For an unknown field, the API server writes the field
            // name only in the message text; for the entry `x[y]` of a map, it writes the path
            // `x.y` or `x`.
            let plain = case.field.replace('[', ".").replace(']', "");
            let last = case.field.rsplit('.').next().unwrap_or_default();
            let last = last.split('[').next().unwrap_or_default();
            let same = |(field, message): &(String, String)| {
                let field = field.replace('[', ".").replace(']', "");
                (!field.is_empty() && plain.starts_with(&field)) || message.contains(last)
            };
            assert!(told.iter().any(same), "{name}: nothing about {} in {told:?}", case.field);
        }
    }
    let told = told.iter().map(|(field, message)| format!("  server  {field}: {message}\n"));
    let own = problems
        .iter()
        .map(|problem| format!("  own     {}: {}\n", problem.field, problem.message));
    format!("{name}\n{}", told.chain(own).collect::<String>())
}

#[tokio::test]
async fn both_refuse_alike_and_accept_the_mend() {
    let client = served::client().await;
    let namespace = namespace("admission");
    let mut refusals = Vec::new();
    for case in cases::all() {
        let answer = served::try_create(&client, case.kind, &namespace, &case.bad).await;
        let problems = admission::check(case.kind, &case.bad);
        refusals.push(check_refusal(&case, &answer, &problems));

        let answer = served::try_create(&client, case.kind, &namespace, &case.good).await;
        assert!(answer.is_ok(), "{}: the mend is refused: {answer:?}", case.name);
        let problems = admission::check(case.kind, &case.good);
        assert!(problems.is_empty(), "{}: the mend is refused: {problems:?}", case.name);
    }
    println!("{} refusals", refusals.len());
    insta::assert_snapshot!("refusals", refusals.join("\n"));
}

#[tokio::test]
async fn what_is_accepted_is_stored_as_it_is_completed() {
    let client = served::client().await;
    let namespace = namespace("completed");
    for (kind, object) in stored::objects() {
        let answer = served::try_create(&client, kind, &namespace, &object).await;
        let server = answer.unwrap_or_else(|status| panic!("{}: {object}", status.message));
        let problems = admission::check(kind, &object);
        let is_null = |problem: &Problem| problem.message.starts_with("is empty (null): ");
        assert!(problems.iter().all(is_null), "{object}: {problems:?}");
        assert_eq!(problems.is_empty(), !object.to_string().contains("null"), "{object}");
        let own = admission::as_stored(kind, object);
        assert_eq!(own["spec"], server["spec"]);
    }
}

#[test]
fn nothing_makes_the_judge_fall() {
    let deep = (0..100).fold(Value::Null, |inner, _| serde_json::json!({"spec": [inner]}));
    let wide = serde_json::json!({"spec": {"clients": vec![deep.clone(); 1000]}});
    let long = serde_json::json!({"spec": {"packageVersion": "é".repeat(2_000_000)}});
    for kind in Kind::ALL {
        for object in
            [Value::Null, true.into(), "".into(), deep.clone(), wide.clone(), long.clone()]
        {
            let problems = admission::check(kind, &object);
            assert!(!problems.is_empty() && problems.len() <= 100);
            assert!(problems.iter().all(|problem| problem.message.len() < 2000));
        }
    }
}
