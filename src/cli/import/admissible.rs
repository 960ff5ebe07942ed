//! Finds the clients that admission would reject, and the reasons, with admission checks on
//! temporary fleets.
//!
//! This module must not access the inventory export.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::fleet::{Client, LastError, Reported};
use crate::api::{Kind, Text, admission, bounds};

/// Maximum number of problems that admission reports for one object.
const MAX_PROBLEMS: usize = 100;
/// Maximum number of clients in one temporary fleet: fewer than [`MAX_PROBLEMS`], so that a fleet in
/// which each client has one problem is not split and checked again.
const CLIENTS_PER_CHECK: usize = MAX_PROBLEMS - 1;

/// A problem that admission finds in a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Path of the value in the client, such as `reported.ip` or `labels[site]`.
    pub field: String,
    /// Reason why the value is invalid. In a message, the reason follows the value.
    pub reason: String,
}

/// Returns the problems that admission finds in these clients, by index in `clients`. The names of
/// the clients must be unique.
pub(super) fn refused(clients: &[Client]) -> BTreeMap<usize, Vec<Refused>> {
    let doubtful: Vec<(usize, &Client)> =
        clients.iter().enumerate().filter(|(_, client)| !is_plain(client)).collect();
    let mut refused = BTreeMap::new();
    for chunk in doubtful.chunks(CLIENTS_PER_CHECK) {
        ask(chunk, &mut refused);
    }
    refused
}

/// Returns whether a client is certainly valid: its texts are short and contain only letters,
/// digits and a few punctuation characters. Most clients pass this fast check and skip the full
/// check, which takes seconds for 100,000 clients.
fn is_plain(client: &Client) -> bool {
    let Client { name, labels, time_zone, reported } = client;
    let Reported { computer, ip, last_user, version, staged_version, last_error, last_seen } =
        reported.as_ref().unwrap_or(&NOTHING);
    let LastError { version: of_error, message, time } = last_error.as_deref().unwrap_or(&NO_ERROR);
    let is_short = |text: &Option<Text>, most: usize| {
        text.as_ref().is_none_or(|text| {
            text.len() <= most && text.bytes().all(|byte| is_plain_sign(byte) || byte == b'\\')
        })
    };
    let longer = [computer, last_user, version, staged_version, of_error, message];
    let is_plain_ip = |ip: &Text| ip.len() <= bounds::IP && ip.bytes().all(is_plain_sign);
    !name.is_empty()
        && name.len() <= bounds::NAME
        && name.bytes().all(is_plain_sign)
        && labels.iter().all(|(_, value)| is_plain_label(value))
        && ip.as_ref().is_none_or(is_plain_ip)
        && longer.into_iter().all(|text| is_short(text, bounds::NAME))
        && [time_zone, last_seen, time].into_iter().all(|text| is_short(text, bounds::TIME_ZONE))
}

const NOTHING: Reported = Reported {
    computer: None,
    ip: None,
    last_user: None,
    version: None,
    staged_version: None,
    last_error: None,
    last_seen: None,
};
const NO_ERROR: LastError = LastError { version: None, message: None, time: None };

fn is_plain_label(value: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    value.len() <= bounds::LABEL
        && value.bytes().all(is_inner)
        && !value.starts_with(['-', '_', '.'])
        && !value.ends_with(['-', '_', '.'])
}

fn is_plain_sign(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" ,._:@/%+-".contains(&byte)
}

fn ask(clients: &[(usize, &Client)], refused: &mut BTreeMap<usize, Vec<Refused>>) {
    let asked: Vec<&Client> = clients.iter().map(|(_, client)| *client).collect();
    let fleet = fleet(json!({ "packageVersion": "0", "clients": asked }));
    let problems = admission::check(Kind::ClientFleet, &fleet);
    if problems.len() >= MAX_PROBLEMS && clients.len() > 1 {
        let (left, right) = clients.split_at(clients.len() / 2);
        ask(left, refused);
        ask(right, refused);
        return;
    }
    for problem in problems {
        let (index, field) = place(&problem.field).unwrap_or((0, &problem.field));
        let reason = after_value(&problem.message).to_owned();
        let known = refused.entry(clients[index].0).or_default();
        known.push(Refused { field: field.to_owned(), reason });
    }
}

/// Returns the problems that admission finds in a fleet, as pairs of field and message.
pub(super) fn refused_of_fleet(metadata: Value, spec: Value) -> Vec<(String, String)> {
    let mut object = fleet(spec);
    object["metadata"] = metadata;
    let problems = admission::check(Kind::ClientFleet, &object);
    problems.into_iter().map(|problem| (problem.field, problem.message)).collect()
}

fn fleet(spec: Value) -> Value {
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "ClientFleet",
        "metadata": { "name": "import" },
        "spec": spec,
    })
}

/// Splits the path of a client's field into the client's index and the field:
/// `spec.clients[7].reported.ip` becomes 7 and `reported.ip`.
fn place(field: &str) -> Option<(usize, &str)> {
    let (index, rest) = field.strip_prefix("spec.clients[")?.split_once(']')?;
    Some((index.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

/// Removes the quoted value at the start of a message, if there is one.
fn after_value(message: &str) -> &str {
    let end = message.starts_with('"').then(|| message.rfind("\" must")).flatten();
    end.map_or(message, |end| &message[end + 2..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Option<Text>> {
        let texts = ["[ -~]{0,70}", "[a-zA-Z0-9 ,._:@/%+-]{0,140}", "[a-z<é\\n]{0,5}"];
        let texts =
            texts.map(|pattern| proptest::string::string_regex(pattern).expect("a pattern"));
        let [all, plain, odd] = texts;
        proptest::option::of(prop_oneof![all, plain, odd].prop_map(Text::from))
    }

    proptest! {
        #[test]
        fn what_is_plain_is_not_refused(
            name in text(), time_zone in text(), short in [text(), text()],
            long in [text(), text(), text(), text(), text(), text(), text()], label in text(),
        ) {
            let [last_seen, time] = short;
            let [computer, ip, last_user, version, staged_version, of_error, message] = long;
            let error = LastError { version: of_error, message, time };
            let reported = Reported {
                computer, ip, last_user, version, staged_version, last_seen,
                last_error: Some(Box::new(error)),
            };
            let labels = label.into_iter().map(|value| ("site", value)).collect();
            let reported = Some(reported);
            let client = Client { name: name.unwrap_or_default(), labels, time_zone, reported };
            let mut refused = BTreeMap::new();
            ask(&[(0, &client)], &mut refused);
            prop_assert!(!is_plain(&client) || refused.is_empty(), "{refused:?}");
        }
    }

    fn named(name: String) -> Client {
        Client { name: name.as_str().into(), ..Client::default() }
    }

    #[test]
    fn every_refused_client_is_found_however_many_there_are() {
        let clients: Vec<Client> =
            (0..350).map(|n| named(format!("{}{n}", if n % 3 == 0 { "" } else { "<" }))).collect();
        let refused = refused(&clients);
        let wanted: Vec<usize> = (0..350).filter(|n| n % 3 != 0).collect();
        assert_eq!(refused.keys().copied().collect::<Vec<_>>(), wanted);
        let one = &refused[&1][0];
        assert_eq!(one.field, "name");
        assert!(one.reason.starts_with("must have 1 to 63 characters"), "{}", one.reason);
    }
}
