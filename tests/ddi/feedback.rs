//! Tests which feedback is read from bodies of any kind.

use clientfleet::ddi::feedback::{
    ErrorText, Execution, Feedback, Finished, MAX_BODY_BYTES, Outcome, Progress,
};

fn read(body: &str) -> Feedback {
    Feedback::read(body.as_bytes())
}

fn strict(execution: &str, finished: &str, rest: &str) -> String {
    format!(
        r#"{{"id":"8","status":{{"execution":"{execution}","result":{{"finished":"{finished}"{rest}}}}}}}"#
    )
}

#[test]
fn execution_and_result_decide_the_outcome() {
    use Outcome::*;
    for (execution, finished, outcome) in [
        ("closed", "success", Some(Succeeded)),
        ("closed", "none", Some(Succeeded)),
        ("CLOSED", "Success", Some(Succeeded)),
        ("closed", "failure", Some(Failed)),
        ("closed", "failed", Some(Failed)),
        ("proceeding", "failure", None),
        ("canceled", "success", None),
        ("rejected", "failure", None),
        ("downloaded", "success", None),
        ("exploded", "success", None),
    ] {
        let feedback = read(&strict(execution, finished, ""));
        assert_eq!(feedback.outcome(), outcome, "{execution} {finished}");
    }
    assert_eq!(read(r#"{"status":{"execution":"closed"}}"#).outcome(), Some(Succeeded));
    for (text, execution) in [
        ("closed", Execution::Closed),
        ("proceeding", Execution::Proceeding),
        ("canceled", Execution::Canceled),
        ("scheduled", Execution::Scheduled),
        ("rejected", Execution::Rejected),
        ("resumed", Execution::Resumed),
        ("download", Execution::Download),
        ("downloaded", Execution::Downloaded),
        ("none", Execution::Proceeding),
    ] {
        assert_eq!(read(&strict(text, "none", "")).execution, execution, "{text}");
    }
}

#[test]
fn progress_has_several_forms() {
    let steps = |done, of| Some(Progress::Steps { done, of });
    for (progress, expected) in [
        (r#"{"cnt":1,"of":5}"#, steps(1, 5)),
        (r#"{"cnt":"2","of":3.0}"#, steps(2, 3)),
        (r#"{"percentage":20}"#, Some(Progress::Percentage(20))),
        (r#"{"percentage":400}"#, Some(Progress::Percentage(100))),
        (r#"{"cnt":1}"#, None),
        (r#"{"cnt":-1,"of":5}"#, None),
        ("{}", None),
        ("null", None),
        ("[]", None),
    ] {
        let body = strict("proceeding", "none", &format!(r#","progress":{progress}"#));
        assert_eq!(read(&body).progress, expected, "{progress}");
    }
}

#[test]
fn details_have_several_forms() {
    for (details, expected) in [
        (r#"["a","b"]"#, &["a", "b"][..]),
        (r#""a""#, &["a"]),
        (r#"[1,null,true,{"b":2}]"#, &["1", "true", r#"{"b":2}"#]),
        ("null", &[]),
        ("[]", &[]),
        ("3", &["3"]),
    ] {
        let body = format!(r#"{{"status":{{"code":-2,"details":{details}}}}}"#);
        let feedback = read(&body);
        assert_eq!((feedback.details.as_slice(), feedback.code), (&*strings(expected), Some(-2)));
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_body_that_is_not_json_is_scanned() {
    let report = |details: &str| {
        format!(
            "{{ \"id\": 81, \"time\": \"x\", \"status\": {{ \"result\": {{ \"progress\" : {{ \"of\" : 4, \
             \"cnt\": 3 }}, \"finished\": \"failure\" }}, \"execution\": \"closed\", \"code\": 7, \
             \"details\" : {details} }} }}"
        )
    };
    for (details, expected) in [
        (r#"[ "can't open "/dev/x"", "two" ]"#, &[r#"can't open "/dev/x""#, "two"][..]),
        (r#"[ "[fn] : "a" [1]" ]"#, &[r#"[fn] : "a" [1]"#]),
        (r#"[ "a\n\"b\" "c" C:\\x \q" ]"#, &[r#"a "b" "c" C:\x \q"#]),
        (
            r#"[ "a "quote"" , "{"execution":"proceeding"} "finished":"success"" ]"#,
            &[r#"a "quote""#, r#"{"execution":"proceeding"} "finished":"success""#],
        ),
        (r#""one "only"""#, &[r#"one "only""#]),
        (r#"[ "unfinished "x"#, &[r#"unfinished "x"#]),
        ("[", &[]),
    ] {
        let feedback = read(&report(details));
        assert_eq!(feedback.details, strings(expected), "{details}");
        assert_eq!(feedback.outcome(), Some(Outcome::Failed), "{details}");
        assert_eq!(feedback.progress, Some(Progress::Steps { done: 3, of: 4 }), "{details}");
        assert_eq!(feedback.code, Some(7), "{details}");
    }
    let late = r#"{"status":{"details":["say "hi""],"execution":"closed","result":{"finished":"failure"}}}"#;
    assert_eq!(read(late).outcome(), Some(Outcome::Failed));
}

#[test]
fn anything_is_a_sign_of_life() {
    for body in ["", "null", "[]", "\"closed\"", "{", "{\"status\":[]}", "<html>", "\u{feff}"] {
        assert_eq!(read(body), Feedback::default(), "{body}");
    }
    assert_eq!(Feedback::read(&[0xff; 10]), Feedback::default());
    let long = format!("{}{}", " ".repeat(MAX_BODY_BYTES), strict("closed", "success", ""));
    assert_eq!(read(&long), Feedback::default());
}

#[test]
fn the_last_details_and_the_last_error_are_kept() {
    let body =
        |details: Vec<String>| serde_json::json!({"status": {"details": details}}).to_string();
    let mut details: Vec<String> = (0..48).map(|number| number.to_string()).collect();
    assert_eq!(read(&body(details.clone())).details, details[16..]);
    details[3] = "ERROR : first".to_owned();
    details[5] = "ERROR : no space".to_owned();
    let kept = read(&body(details.clone())).details;
    assert_eq!((kept.len(), kept[0].as_str()), (32, "ERROR : no space"));
    assert_eq!(kept[1..], details[17..]);
    let long = read(&body(vec!["é".repeat(2000)])).details;
    assert_eq!(long, ["é".repeat(512)]);
}

#[test]
fn swupdate_reports_when_it_begins_and_when_it_awaits_the_restart() {
    let report = |done: u8, text: &str| {
        read(&format!(
            r#"{{"status":{{"execution":"proceeding","result":{{"finished":"none","progress":
            {{"cnt":{done},"of":1}}}},"details":["{text}"]}}}}"#
        ))
    };
    assert!(report(0, "Installing Update Chunk Artifacts.").begins_installation());
    assert!(!report(1, "Installed Chunk.").begins_installation());
    assert!(report(1, "All Chunks Installed.").awaits_restart());
    assert!(!report(0, "All Chunks Installed.").awaits_restart());
    assert!(!report(1, "Installed Chunk.").awaits_restart());
}

/// Returns the message of an action: its details before it is closed, with their result, and the
/// details of the report that closes it.
fn message(earlier: &[(Finished, &[&str])], closing: &[&str]) -> Option<String> {
    let report = |execution, finished, details: &[&str]| {
        let details = strings(details);
        Feedback { execution, finished, details, ..Feedback::default() }
    };
    let mut error = ErrorText::default();
    for (finished, details) in earlier {
        error.observe(&report(Execution::Proceeding, *finished, details));
    }
    let closing = report(Execution::Closed, Finished::Failure, closing);
    error.message(&closing).map(|message| message.to_string())
}

/// Details before an action is closed, details of the report that closes it, and the message.
type Case = (&'static [(Finished, &'static [&'static str])], &'static [&'static str], &'static str);

#[test]
fn the_error_that_explains_the_failure_is_found() {
    use Finished::{Failure, None as NoResult};
    const SWUPDATE: &[&str] = &["No suitable .swu image found"];
    let cases: [Case; 5] = [
        (
            &[
                (NoResult, &["[start] : Software Update started !", "ERROR : no space left"]),
                (NoResult, &["ERROR core/installer.c : run : 55 : script \"x\" failed\n"]),
                (NoResult, &["ERROR : ------", "[x] : cleaning up"]),
                (NoResult, &["Image invalid or corrupted. Not installing ..."]),
                (NoResult, &["ERROR : SWUpdate *failed* !"]),
            ],
            SWUPDATE,
            "core/installer.c : run : 55 : script \"x\" failed",
        ),
        (
            &[(NoResult, &["[ERROR] : SWUPDATE failed [0] ERROR : HASH mismatch : a <--> b"])],
            SWUPDATE,
            "HASH mismatch : a <--> b",
        ),
        (&[(NoResult, &["ERRORS: 0", "Installed Chunk."])], SWUPDATE, SWUPDATE[0]),
        (
            &[(NoResult, &["LastError: signature verification failed: self-signed"])],
            &["Failed to install software bundle."],
            "signature verification failed: self-signed",
        ),
        (
            &[(Failure, &["Failed mounting bundle"])],
            &["Rauc bundle update completed with result: 1"],
            "Failed mounting bundle",
        ),
    ];
    for (earlier, closing, expected) in cases {
        assert_eq!(message(earlier, closing).as_deref(), Some(expected));
    }
}

#[test]
fn the_last_report_has_the_message_if_no_earlier_one_has() {
    for (closing, expected) in [
        (&["first", "last", " "][..], Some("last")),
        (&["ERROR: disk", "done"], Some("disk")),
        (&["\u{1b}[31mred\u{1b}[0m\r\n\u{202e}x\u{7}y"], Some("red x y")),
        (&[" ", "--"], None),
        (&[], None),
    ] {
        assert_eq!(message(&[], closing).as_deref(), expected);
    }
    let long = message(&[], &[&"x ".repeat(2000)]).expect("a message");
    assert!(long.chars().count() <= 128 && long.ends_with('…'), "{long}");
}
