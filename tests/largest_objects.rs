//! Checks that the largest objects that admission accepts fit into an etcd request and keep their
//! `managedFields`, which the API server otherwise drops without an error.
//!
//! Three field managers own all fields, and all values have the largest stored size. Run with
//! `--nocapture` to see the measured sizes.

mod control_plane;
mod served;

use clientfleet::api::reported_text::{self, TextBound};
use clientfleet::api::{Kind, bounds};
use control_plane::namespace;
use kube::Client;
use serde_json::{Value, json};

/// Maximum size in bytes of an etcd request: the default of `--max-request-bytes`.
const REQUEST: usize = 1_572_864;
/// Number of bytes that must remain free for the object's annotations and labels, which the schema
/// cannot limit.
const MARGIN: usize = 64 * 1024;

const APPLIERS: [&str; 3] = ["git", "importer", "check-in"];

/// Character with the largest size in UTF-8: four bytes.
///
/// At the maximum length, except in names, a text of this character takes at least as many bytes as
/// a text of quotation marks, which take two bytes each in JSON, or of `&`, which takes six.
const COSTLY: char = '\u{1F980}';

fn costly(count: usize) -> String {
    COSTLY.to_string().repeat(count)
}

/// Returns a name of `count` four-byte characters that is different for each `number`.
fn costly_name(number: usize, count: usize) -> String {
    let digit = |digit: usize| {
        let code = 0x1F300 + u32::try_from(digit).expect("a digit fits");
        char::from_u32(code).expect("a character")
    };
    let digits: String = [number / 256, number / 16 % 16, number % 16].map(digit).iter().collect();
    digits + &costly(count - 3)
}

/// Returns the number of bytes of an object in etcd. Go's JSON encoder writes six bytes for each of
/// the characters `<`, `>` and `&`.
fn stored_bytes(object: &Value) -> usize {
    let text = object.to_string();
    text.len() + 5 * text.matches(['<', '>', '&']).count()
}

/// Returns the longest text that mixes four `&`, which take six bytes each, with quotation marks.
fn escaped(bound: TextBound) -> String {
    format!("<&>&{}", "\"".repeat(bound.ascii_with_escapes() - 4))
}

fn labels(first: char, count: usize) -> Value {
    let keys = (0..count).map(|n| format!("{first}{n}{}", "k".repeat(bounds::LABEL - 2)));
    Value::Object(keys.map(|key| (key, json!("v".repeat(bounds::LABEL)))).collect())
}

/// Returns a valid version of the maximum length. Admission accepts only valid versions in the
/// specs of policies and fleets.
fn version(number: usize) -> String {
    format!("{number:02}.{}+{}", "9".repeat(18), "b".repeat(bounds::VERSION - 22))
}

fn name_of(number: usize) -> String {
    costly_name(number, bounds::WIDE_NAME)
}

/// Returns addresses of the maximum length. Shorter texts of other characters take at most as many
/// bytes.
fn addresses() -> String {
    ["ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"; 3].join(", ")[..bounds::IP].to_owned()
}

fn client(number: usize) -> Value {
    let (text, time) = (costly(bounds::WIDE_VALUE), costly(bounds::WIDE_SHORT));
    json!({
        "name": name_of(number),
        "labels": labels('c', bounds::CLIENT_LABELS),
        "timeZone": costly(bounds::WIDE_SHORT),
        "reported": {
            // A computer name can have 63 quotation marks, or four `&` and 51 quotation marks, both
            // of which take 126 bytes in JSON. It can have only 31 four-byte characters, which take
            // 124 bytes.
            "computer": escaped(reported_text::COMPUTER),
            "ip": addresses(),
            "lastUser": "&".repeat(reported_text::USER.any_or_escaped()),
            "version": text,
            "stagedVersion": text,
            "lastError": {"version": text, "message": costly(bounds::ERROR_MESSAGE), "time": time},
            "lastSeen": time,
        },
    })
}

fn fleet() -> Value {
    let versions: Vec<String> = (0..bounds::VERSIONS).map(version).collect();
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "ClientFleet",
        "metadata": {"name": "f".repeat(bounds::OBJECT_NAME), "labels": labels('f', 8)},
        "spec": {
            "packageVersion": version(99),
            "retainedVersions": versions,
            "withdrawnVersions": versions,
            "timeZone": costly(bounds::WIDE_SHORT),
            "clients": (0..bounds::CLIENTS).map(client).collect::<Vec<_>>(),
        },
    })
}

const TIME: &str = "2199-12-31T23:59:59Z";

fn conditions() -> Value {
    let condition = |r#type: &str| {
        json!({
            "type": r#type, "status": "Unknown", "observedGeneration": i64::MAX,
            "lastTransitionTime": TIME, "reason": "R".repeat(bounds::WORD),
            "message": costly(bounds::CONDITION_MESSAGE),
        })
    };
    json!(["Ready", "Reconciling", "Stalled", "Complete"].map(condition))
}

fn summary() -> Value {
    let states = [
        "total",
        "unmanaged",
        "blocked",
        "held",
        "upToDate",
        "ahead",
        "offline",
        "restartRequired",
        "failed",
        "waiting",
        "distributing",
    ];
    Value::Object(states.map(|state| (state.to_owned(), json!(u32::MAX))).into_iter().collect())
}

/// Returns a client's row in the status with every value at its maximum length. The row repeats the
/// reported values from [`client`].
fn row(number: usize) -> Value {
    let policy = "p".repeat(bounds::POLICY_NAME);
    let text = costly(bounds::WIDE_VALUE);
    json!({
        "name": name_of(number),
        "computer": escaped(reported_text::COMPUTER),
        "ip": addresses(),
        "version": text,
        "stagedVersion": text,
        "targetVersion": version(99),
        "state": "S".repeat(bounds::WORD),
        "reason": "R".repeat(bounds::WORD),
        "policy": policy,
        "lastTransitionTime": TIME,
        "nextTransitionTime": TIME,
        "lastOffer": {"version": version(99), "policy": policy, "generation": i64::MAX, "time": TIME},
    })
}

fn fleet_status() -> Value {
    json!({
        "observedGeneration": i64::MAX,
        "conditions": conditions(),
        "packageVersion": version(99),
        "summary": summary(),
        "nextTransitionTime": TIME,
        "clients": (0..bounds::CLIENTS).map(row).collect::<Vec<_>>(),
    })
}

fn label_selector(values: usize) -> Value {
    let values: Vec<String> =
        (0..values).map(|n| format!("{n:02}{}", "v".repeat(bounds::LABEL - 2))).collect();
    let requirement =
        json!({"key": "k".repeat(bounds::LABEL), "operator": "NotIn", "values": values});
    json!({
        "matchLabels": labels('m', bounds::MATCH_LABELS),
        "matchExpressions": vec![requirement; bounds::MATCH_EXPRESSIONS],
    })
}

fn client_selector() -> Value {
    let names = |count: usize| {
        (0..bounds::SELECTED_NAMES).map(|n| costly_name(n, count)).collect::<Vec<_>>()
    };
    let quotes = vec!["\"".repeat(bounds::NAME); bounds::SELECTED_NAMES];
    // Use the longest text of a network: a full IPv6 address whose last 32 bits are written as an
    // IPv4 address.
    let cidr = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128";
    // Use the longest requirement with as many `<` and `>` as possible, because JSON in etcd escapes
    // each of them to six bytes.
    let versions = format!(">={0} <={0}", "3".repeat(17)) + "0";
    assert_eq!(versions.len(), bounds::VERSION_REQUIREMENT);
    json!({
        "names": quotes,
        "computers": vec![escaped(reported_text::COMPUTER); bounds::SELECTED_NAMES],
        "users": names(bounds::WIDE_USER),
        "cidrs": vec![cidr; bounds::SELECTED_CIDRS],
        "versions": vec![versions; bounds::SELECTED_VERSIONS],
        "labelSelector": label_selector(bounds::CLIENT_MATCH_VALUES),
        "search": costly(bounds::SEARCH),
    })
}

fn policy() -> Value {
    let window = json!({
        "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "weeksOfMonth": ["First", "Second", "Third", "Fourth", "Last"], "offsetDays": 14,
        "start": "00:00", "end": "24:00",
    });
    let exclusion = |n: usize| json!({"name": costly_name(n, bounds::NAME), "startDate": "2026-01-01", "endDate": "2026-01-01", "yearly": false});
    let selectors = vec![client_selector(); bounds::SELECTORS];
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "UpgradePolicy",
        "metadata": {"name": "p".repeat(bounds::POLICY_NAME), "labels": labels('p', 8)},
        "spec": {
            "priority": i32::MIN,
            "suspend": false,
            "effectiveFrom": "2000-01-01T00:00:00+00:00",
            "effectiveUntil": "2199-12-31T23:59:59+00:00",
            "upgrade": {"mode": "OnlyUpgradeTo", "version": version(1), "allowDowngrade": false, "retryAfterHours": 720},
            "distribution": {
                "timeZone": format!("E/{}", "z".repeat(bounds::WRITTEN_VALUE - 2)),
                "windows": vec![window; bounds::WINDOWS],
                "notBefore": "2000-01-01T00:00:00+00:00",
                "notAfter": "2199-12-31T23:59:59+00:00",
                "exclusions": (0..bounds::EXCLUSIONS).map(exclusion).collect::<Vec<_>>(),
            },
            "offlineAfterDays": 365,
            "scope": {"fleetSelector": label_selector(bounds::MATCH_VALUES), "clients": selectors, "exclude": selectors},
        },
    })
}

fn policy_status() -> Value {
    let setting = json!({"mode": "M".repeat(bounds::WORD), "version": version(1)});
    json!({
        "observedGeneration": i64::MAX,
        "conditions": conditions(),
        "distributionState": "D".repeat(bounds::WORD),
        "nextTransitionTime": TIME,
        "matchedFleets": u32::MAX, "matchedClients": u32::MAX, "addressUnknownClients": u32::MAX,
        "governedClients": u32::MAX,
        "withdrawnClients": u32::MAX,
        "summary": summary(),
        "unmatched": vec![costly(bounds::UNMATCHED_ENTRY); bounds::UNMATCHED],
        "availableSettings": vec![setting; bounds::AVAILABLE_SETTINGS],
    })
}

/// Applies the object as each field manager in `APPLIERS`, writes its status, and prints the stored
/// sizes. Then applies the object again as the first field manager, and returns the stored object.
async fn store(client: &Client, kind: Kind, object: &Value, status: Value) -> Value {
    let namespace = namespace("largest");
    let mut stored = Value::Null;
    for owner in APPLIERS {
        let applied = served::apply(client, kind, &namespace, owner, object).await;
        stored = applied.unwrap_or_else(|status| panic!("{owner}: {}", status.message));
    }
    stored["status"] = status;
    let written = served::put_status(client, kind, &namespace, &stored).await;
    let mut stored = written.unwrap_or_else(|status| panic!("status: {}", status.message));
    report(kind, object, &stored);

    // GitOps tools apply the same file repeatedly. This must not make the API server drop
    // `managedFields`.
    let applied = served::apply(client, kind, &namespace, APPLIERS[0], object).await;
    stored = applied.unwrap_or_else(|status| panic!("once more: {}", status.message));
    stored
}

fn report(kind: Kind, object: &Value, stored: &Value) {
    let managed = stored["metadata"]["managedFields"].to_string().len();
    let whole = stored_bytes(stored);
    println!(
        "{}: applied {} bytes, stored {whole}, of which status {}, managedFields {managed}; {} left",
        kind.name(),
        object.to_string().len(),
        stored_bytes(&stored["status"]),
        REQUEST.saturating_sub(whole),
    );
}

fn assert_fits(stored: &Value) {
    let managers = stored["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = managers.iter().filter_map(|entry| entry["manager"].as_str()).collect();
    for owner in APPLIERS.into_iter().chain(["clientfleet"]) {
        assert!(names.contains(&owner), "{owner} is not among the managers {names:?}");
    }
    for entry in &managers {
        let fields = entry["fieldsV1"].as_object();
        assert!(
            fields.is_some_and(|fields| !fields.is_empty()),
            "{} owns nothing",
            entry["manager"]
        );
    }
    let bytes = stored_bytes(stored);
    assert!(bytes + MARGIN <= REQUEST, "{bytes} bytes leave less than {MARGIN} of {REQUEST}");
}

#[tokio::test]
async fn the_largest_fleet_fits_with_its_status_and_its_owners() {
    let client = served::client().await;
    let stored = store(&client, Kind::ClientFleet, &fleet(), fleet_status()).await;
    assert_eq!(stored["spec"]["clients"].as_array().map(Vec::len), Some(bounds::CLIENTS));
    assert_eq!(stored["status"]["clients"].as_array().map(Vec::len), Some(bounds::CLIENTS));
    assert_fits(&stored);
}

#[tokio::test]
async fn the_largest_policy_fits_with_its_status_and_its_owners() {
    let client = served::client().await;
    let stored = store(&client, Kind::UpgradePolicy, &policy(), policy_status()).await;
    assert_fits(&stored);
}
