//! Evaluates the scope of a policy, as specified in the design's sections "UpgradePolicy.spec" and
//! "Which policy governs it".

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::read::{Client, Fleet, Policy, list, text};
use super::valid::bounded;
use super::version;

pub struct Scope(pub Value);

impl Scope {
    pub fn holds_fleet(&self, fleet: &Fleet) -> bool {
        label_selector(&self.0["fleetSelector"], &fleet.labels).unwrap_or(true)
    }

    /// Returns whether the list `clients` and the list `exclude` match a client.
    fn lists(&self, client: &Client) -> (Truth, Truth) {
        let any = |selectors: &[Value], unreadable| {
            selectors.iter().map(|s| judge(s, client, unreadable)).max().unwrap_or(Truth::No)
        };
        let clients = list(&self.0["clients"]);
        let included = if clients.is_empty() { Truth::Yes } else { any(clients, true) };
        (included, any(list(&self.0["exclude"]), false))
    }
}

/// Truth of a statement about the address of a client, which may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    No,
    InDoubt,
    Yes,
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Truth {
        if truth { Truth::Yes } else { Truth::No }
    }
}

/// Relation of a client to the scope of a policy, as specified in section 8.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Out,
    /// Out of scope, and counted in the policy's status.
    OutButCounted,
    MayBeHeld,
    MayBeExcluded,
    In,
}

impl Policy {
    pub fn distributes(&self) -> bool {
        !self.invalid && !self.suspend && self.mode != "NoUpgrade"
    }

    pub fn relation(&self, client: &Client) -> Relation {
        match (self.scope.lists(client), self.distributes()) {
            ((Truth::No, _) | (_, Truth::Yes), _) => Relation::Out,
            ((Truth::InDoubt, _), true) => Relation::OutButCounted,
            ((Truth::InDoubt, _), false) => Relation::MayBeHeld,
            ((Truth::Yes, Truth::InDoubt), true) => Relation::MayBeExcluded,
            ((Truth::Yes, Truth::InDoubt), false) => Relation::In,
            ((Truth::Yes, Truth::No), _) => Relation::In,
        }
    }
}

/// Criteria that are lists of values.
pub const LISTS: [&str; 5] = ["names", "computers", "users", "cidrs", "versions"];

pub fn admissible(scope: &Value) -> bool {
    if scope.is_null() {
        return true;
    }
    let fields = ["fleetSelector", "clients", "exclude"];
    let nobody = Client::empty();
    let selectors = list(&scope["clients"]).iter().chain(list(&scope["exclude"]));
    let readable = |s: &Value| {
        let criteria = criteria(s, &nobody);
        let versions = list(&s["versions"]);
        let is_short = |v: &Value| v.as_str().is_some_and(|text| text.chars().count() <= 40);
        !criteria.is_empty()
            && criteria.iter().all(Option::is_some)
            && versions.len() <= 4
            && versions.iter().all(is_short)
    };
    fields.iter().any(|field| scope.get(field).is_some())
        && (scope.get("fleetSelector").is_none()
            || label_selector(&scope["fleetSelector"], &BTreeMap::new()).is_some())
        && bounded(&scope["clients"], 16)
        && bounded(&scope["exclude"], 16)
        && selectors.into_iter().all(readable)
}

/// Returns whether a selector matches a client. `unreadable` is the result for a selector without
/// criteria and for a criterion that cannot be parsed: true for the list `clients`, false for the
/// list `exclude`.
pub fn judge(selector: &Value, client: &Client, unreadable: bool) -> Truth {
    let criteria = criteria(selector, client);
    let judged = criteria.iter().map(|criterion| criterion.unwrap_or(unreadable.into()));
    judged.min().unwrap_or(unreadable.into())
}

/// Returns for each criterion of a selector whether it matches the client, or `None` if the
/// criterion cannot be parsed.
fn criteria(selector: &Value, client: &Client) -> Vec<Option<Truth>> {
    let mut criteria = Vec::new();
    for field in LISTS {
        if let Some(values) = selector.get(field) {
            let each: Option<Vec<bool>> =
                list(values).iter().map(|value| value_matches(field, value, client)).collect();
            let each = each.filter(|each| !each.is_empty());
            let is_in_doubt = field == "cidrs" && addresses(client.ip.as_deref()).1;
            criteria.push(each.map(|each| match each.contains(&true) {
                false if is_in_doubt => Truth::InDoubt,
                found => found.into(),
            }));
        }
    }
    if let Some(labels) = selector.get("labelSelector") {
        criteria.push(label_selector(labels, &client.labels).map(Truth::from));
    }
    if let Some(search) = selector.get("search") {
        let found = search_matches(search.as_str().unwrap_or_default(), client);
        criteria.push(found.map(Truth::from));
    }
    criteria
}

/// Returns whether one value of a criterion matches a client, or `None` if the value cannot be
/// parsed.
pub fn value_matches(field: &str, value: &Value, client: &Client) -> Option<bool> {
    let value = value.as_str()?;
    let is = |fact: &Option<String>| fact.as_ref().is_some_and(|fact| lower(fact) == lower(value));
    match field {
        "names" => Some(client.name == value),
        "computers" => Some(is(&client.computer)),
        "users" => Some(is(&client.user)),
        "versions" => version_holds(value, client.version.as_deref()),
        _ => cidr_contains(value, client.ip.as_deref()),
    }
}

/// Returns whether the version that a client runs meets a requirement, or `None` if the requirement
/// cannot be parsed. A missing or invalid version meets none.
fn version_holds(requirement: &str, runs: Option<&str>) -> Option<bool> {
    let runs = runs.and_then(version::read);
    let order = |limit: &version::Version| runs.as_ref().map(|runs| version::compare(runs, limit));
    if let Some(limit) = version::read(requirement) {
        return Some(order(&limit).is_some_and(std::cmp::Ordering::is_eq));
    }
    if requirement.starts_with(' ') || requirement.ends_with(' ') {
        return None;
    }
    let comparisons: Vec<&str> = requirement.split(' ').filter(|text| !text.is_empty()).collect();
    let mut all = (1..=2).contains(&comparisons.len()).then_some(true)?;
    for comparison in comparisons {
        let limit = comparison.trim_start_matches(['<', '>', '=']);
        let order = order(&version::read(limit)?);
        all &= match &comparison[..comparison.len() - limit.len()] {
            "<" => order.is_some_and(std::cmp::Ordering::is_lt),
            "<=" => order.is_some_and(std::cmp::Ordering::is_le),
            ">" => order.is_some_and(std::cmp::Ordering::is_gt),
            ">=" => order.is_some_and(std::cmp::Ordering::is_ge),
            _ => return None,
        };
    }
    Some(all)
}

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn search_matches(search: &str, client: &Client) -> Option<bool> {
    let facts =
        [Some(&client.name), client.computer.as_ref(), client.ip.as_ref(), client.user.as_ref()];
    let facts: Vec<String> = facts.into_iter().flatten().map(|fact| lower(fact)).collect();
    let keywords: Vec<String> = search.split_whitespace().map(lower).collect();
    let found = |keyword: &String| facts.iter().any(|fact| fact.contains(keyword.as_str()));
    (!keywords.is_empty()).then(|| keywords.iter().all(found))
}

/// Returns the addresses in `ip` that can be read, and whether the address of the client is unknown:
/// `ip` is missing, or one of its addresses cannot be read.
pub fn addresses(ip: Option<&str>) -> (Vec<IpAddr>, bool) {
    let mut known = Vec::new();
    let (mut unreadable, mut with_zone) = (0, 0);
    for text in ip.unwrap_or_default().split([' ', '\t', ',']) {
        let zone = text.split('%').collect::<Vec<_>>();
        match (text.parse::<IpAddr>(), &zone[..]) {
            (Ok(IpAddr::V6(address)), _) => {
                let mapped = address.to_ipv4_mapped().map(IpAddr::V4);
                known.push(mapped.unwrap_or(IpAddr::V6(address)));
            }
            (Ok(address), _) => known.push(address),
            (Err(_), [""]) => {}
            (Err(_), [address, zone])
                if address.parse::<std::net::Ipv6Addr>().is_ok()
                    && !zone.is_empty()
                    && zone.chars().all(|c| c.is_ascii_graphic()) =>
            {
                with_zone += 1;
            }
            (Err(_), _) => unreadable += 1,
        }
    }
    let alone = known.is_empty() && with_zone > 0;
    let is_missing = known.is_empty() && with_zone == 0;
    (known, unreadable > 0 || alone || is_missing)
}

/// Returns whether the network `cidr` contains one of the addresses in `ip`, or `None` if `cidr` is
/// not a valid network. A missing or invalid address is in no network.
fn cidr_contains(cidr: &str, ip: Option<&str>) -> Option<bool> {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (4, u128::from(ip.to_bits()) << 96),
        IpAddr::V6(ip) => (6, ip.to_bits()),
    };
    let (network, prefix) = cidr.split_once('/')?;
    let (family, network) = bits(network.parse().ok()?);
    let prefix: u32 = prefix.parse().ok().filter(|&p| p <= if family == 4 { 32 } else { 128 })?;
    let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
    if network & !mask != 0 {
        return None;
    }
    let inside = |ip: IpAddr| bits(ip).0 == family && bits(ip).1 & mask == network;
    Some(addresses(ip).0.into_iter().any(inside))
}

/// Returns whether a Kubernetes label selector matches the labels, or `None` if the selector cannot
/// be parsed. Without a selector, all labels match.
fn label_selector(selector: &Value, labels: &BTreeMap<String, String>) -> Option<bool> {
    if selector.is_null() {
        return Some(true);
    }
    let pairs =
        selector.get("matchLabels").map(|pairs| pairs.as_object().filter(|p| !p.is_empty()));
    let expressions = selector.get("matchExpressions").map(list);
    if pairs == Some(None) || expressions.is_some_and(<[_]>::is_empty) {
        return None;
    }
    if pairs.is_none() && expressions.is_none() {
        return None;
    }
    let equal =
        |(key, value): (&String, &Value)| labels.get(key).is_some_and(|label| value == label);
    let mut all = pairs.flatten().is_none_or(|pairs| pairs.iter().all(equal));
    for expression in expressions.unwrap_or_default() {
        all &= requirement(expression, labels)?;
    }
    Some(all)
}

fn requirement(expression: &Value, labels: &BTreeMap<String, String>) -> Option<bool> {
    let label = labels.get(&text(&expression["key"])?);
    let values = list(&expression["values"]);
    let among = label.is_some_and(|label| values.iter().any(|value| value == label));
    match (expression["operator"].as_str()?, values.is_empty()) {
        ("In", false) => Some(among),
        ("NotIn", false) => Some(!among),
        ("Exists", true) => Some(label.is_some()),
        ("DoesNotExist", true) => Some(label.is_none()),
        _ => None,
    }
}

impl Client {
    fn empty() -> Client {
        Client {
            name: String::new(),
            labels: BTreeMap::new(),
            zone: None,
            computer: None,
            ip: None,
            user: None,
            version: None,
            staged: None,
            error_version: None,
            error_time: None,
            seen: None,
        }
    }
}
