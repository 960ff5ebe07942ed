//! Reads the API server's audit log, which records the user, time and result of each request.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Audit policy that makes the API server record status and lease writes with their bodies, and
/// list and watch requests without bodies.
pub const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Request
    verbs: [create, update]
    resources:
      - {group: clientfleet.dev, resources: ["clientfleets/status", "upgradepolicies/status"]}
      - {group: coordination.k8s.io, resources: [leases]}
  - level: Metadata
    verbs: [list, watch]
    resources: [{group: clientfleet.dev}]
  - level: None
"#;

#[derive(Clone, Debug)]
pub struct Entry {
    pub user: String,
    pub verb: String,
    /// Path of the requested object, such as `clientfleets/berlin/status`.
    pub path: String,
    pub code: u64,
    pub received: DateTime<Utc>,
    pub answered: DateTime<Utc>,
    /// True if the response is complete; false for a watch that was still open when its log entry
    /// was written.
    pub is_complete: bool,
    pub body: Value,
}

/// Returns the requests for objects in a namespace, in the order in which the API server received
/// them.
pub fn read(log: &Path, namespace: &str) -> Vec<Entry> {
    let text = fs::read_to_string(log).unwrap();
    // Skip a line that cannot be parsed, because the server may still be writing the last line.
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut entries: Vec<Entry> =
        events.filter(|event| event["objectRef"]["namespace"] == namespace).map(entry).collect();
    entries.sort_by_key(|entry| entry.received);
    entries
}

fn entry(event: Value) -> Entry {
    let time = |field: &str| event[field].as_str().unwrap().parse().unwrap();
    let part = |field: &str| event["objectRef"][field].as_str().unwrap_or_default();
    let path = [part("resource"), part("name"), part("subresource")].join("/");
    let user = event["impersonatedUser"]["username"].as_str();
    Entry {
        user: user.or(event["user"]["username"].as_str()).unwrap().to_owned(),
        verb: event["verb"].as_str().unwrap().to_owned(),
        path: path.trim_end_matches('/').to_owned(),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        received: time("requestReceivedTimestamp"),
        answered: time("stageTimestamp"),
        is_complete: event["stage"] == "ResponseComplete",
        body: event["requestObject"].clone(),
    }
}

impl Entry {
    pub fn is_status_write(&self) -> bool {
        self.is_complete && self.path.ends_with("/status")
    }

    pub fn was_made(&self) -> bool {
        matches!(self.code, 200 | 201)
    }

    /// Returns the name that this request wrote as the lease holder; `None` if the request did not
    /// write a lease. If the name is empty, the request released the lease.
    pub fn holder(&self) -> Option<&str> {
        let is_lease = self.is_complete && self.was_made() && self.path.starts_with("leases/");
        is_lease.then(|| self.body["spec"]["holderIdentity"].as_str().unwrap_or_default())
    }
}

#[derive(Clone, Debug)]
pub struct Term {
    pub holder: String,
    pub taken: Entry,
    pub renewed: Entry,
    /// Request that ended the term: another replica took the lease, or the holder released it.
    /// `None` if the term has not ended.
    pub ended: Option<Entry>,
}

/// Returns the terms of all replicas in chronological order. The user name of a replica is also its
/// identity in the lease.
pub fn terms(entries: &[Entry]) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    let mut held: Vec<&Entry> = entries.iter().filter(|entry| entry.holder().is_some()).collect();
    held.sort_by_key(|entry| entry.answered);
    for entry in held {
        let holder = entry.holder().unwrap();
        if let Some(last) = terms.last_mut().filter(|term| term.ended.is_none()) {
            if last.holder == holder {
                last.renewed = entry.clone();
                continue;
            }
            last.ended = Some(entry.clone());
        }
        if !holder.is_empty() {
            if entry.user != holder {
                // Skip this entry, because a test created the lease for a holder that does not
                // exist.
                continue;
            }
            let (taken, renewed) = (entry.clone(), entry.clone());
            terms.push(Term { holder: holder.to_owned(), taken, renewed, ended: None });
        }
    }
    terms
}

/// Checks the requirements that apply in every test: a replica writes a status only during its own
/// term, and each write changes the status. On average, at most two writes per object fail, each
/// with the code 404 or 409.
pub fn assert_one_writer(entries: &[Entry]) {
    let terms = terms(entries);
    let mut last: HashMap<&str, &Value> = HashMap::new();
    let writes: Vec<&Entry> = entries.iter().filter(|entry| entry.is_status_write()).collect();
    for write in writes.iter().filter(|write| write.was_made()) {
        let in_term = |term: &&Term| {
            term.holder == write.user
                && term.taken.received <= write.received
                && term.ended.as_ref().is_none_or(|ended| write.received <= ended.answered)
        };
        let term = terms.iter().find(in_term);
        assert!(
            term.is_some(),
            "{} wrote {} at {} outside its term: {terms:#?}",
            write.user,
            write.path,
            write.received
        );
        let before = last.insert(&write.path, &write.body["status"]);
        assert_ne!(
            before,
            Some(&write.body["status"]),
            "{} was written again by {}",
            write.path,
            write.user
        );
    }
    let others: Vec<&&Entry> = writes.iter().filter(|write| !write.was_made()).collect();
    let objects = last.len();
    assert!(others.iter().all(|other| matches!(other.code, 404 | 409)), "{others:#?}");
    assert!(others.len() <= 2 * objects, "{} conflicts for {objects} objects", others.len());
}
