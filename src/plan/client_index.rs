//! Defines an index of a fleet's clients, which speeds up the matching of scopes.
//!
//! Most values in scopes match no client of a given fleet, and one search in the combined text of
//! all clients can show that no client contains a value.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use memchr::memmem;

use super::client_fields::{ClientFields, Field};
use crate::api::Text;
use crate::api::fleet::Client;
use crate::values::selector::{fold_case_into, read_addresses};
use crate::values::{Version, VersionRequirement};

/// Index of the client fields that selectors compare.
#[derive(Debug, Default)]
pub struct ClientIndex {
    /// Case-folded fields of all clients, concatenated without separators.
    text: String,
    places: Vec<TextSpan>,
    /// Valid IP addresses of all clients, in the order of the clients.
    addresses: Vec<IpAddr>,
    /// Lowest and highest of `addresses`; `None` if there are none.
    address_range: Option<(IpAddr, IpAddr)>,
    /// Whether the address of at least one client is unknown.
    address_unknown: bool,
    /// Versions that the clients run or could move to; `None` if they are not known.
    versions: Option<Vec<Version>>,
}

#[derive(Debug)]
struct TextSpan {
    start: usize,
    /// End positions of the client's fields in the index text, in the order of [`Field::ALL`].
    ends: [usize; Field::ALL.len()],
    /// Start and end of the client's addresses in the index.
    addresses: (usize, usize),
    address_unknown: bool,
}

impl ClientIndex {
    /// Builds the index of a list of clients.
    #[must_use]
    pub fn of(clients: &[Client]) -> Self {
        let mut client_index = Self::default();
        client_index.places.reserve_exact(clients.len());
        clients.iter().for_each(|client| client_index.add(client));
        client_index
    }

    /// Sets the versions that the clients run, and `targets`, to which policies could send them.
    pub(super) fn set_versions(&mut self, clients: &[Client], targets: Vec<Version>) {
        let reported = |client: &'_ Client| client.reported.as_ref()?.version.clone();
        let running: BTreeSet<Text> = clients.iter().filter_map(reported).collect();
        let running = running.iter().filter_map(|text| Version::parse(text).ok());
        let versions: BTreeSet<Version> = running.chain(targets).collect();
        self.versions = Some(versions.into_iter().collect());
    }

    fn add(&mut self, client: &Client) {
        let start = self.text.len();
        let ends = Field::ALL.map(|field| {
            field.written(client).iter().for_each(|text| fold_case_into(text, &mut self.text));
            self.text.len()
        });
        let known = self.addresses.len();
        let is_complete =
            Field::Ip.written(client).is_some_and(|text| read_addresses(text, &mut self.addresses));
        for &ip in &self.addresses[known..] {
            let (first, last) = self.address_range.unwrap_or((ip, ip));
            self.address_range = Some((first.min(ip), last.max(ip)));
        }
        self.address_unknown |= !is_complete;
        let addresses = (known, self.addresses.len());
        self.places.push(TextSpan { start, ends, addresses, address_unknown: !is_complete });
    }

    /// Returns the fields of `client` that selectors compare. `index` must be the position of
    /// `client` in the list from which the client index was built, and `version` the version that
    /// the client runs.
    #[must_use]
    pub fn subject<'a>(
        &'a self,
        index: usize,
        client: &'a Client,
        version: Option<&'a Version>,
    ) -> ClientFields<'a> {
        let TextSpan { mut start, ends, addresses: (first, end), address_unknown } =
            self.places[index];
        let folded = ends.map(|end| &self.text[std::mem::replace(&mut start, end)..end]);
        ClientFields {
            name: &client.name,
            labels: &client.labels,
            addresses: &self.addresses[first..end],
            address_unknown,
            version,
            folded,
        }
    }

    /// Returns `false` only if no field of any client contains `folded`, which must be case-folded.
    #[must_use]
    pub(crate) fn may_contain(&self, folded: &str) -> bool {
        memmem::find(self.text.as_bytes(), folded.as_bytes()).is_some()
    }

    /// Returns `false` only if no client can ever run a version that meets the requirement.
    #[must_use]
    pub(crate) fn may_run(&self, requirement: &VersionRequirement) -> bool {
        let versions = self.versions.as_ref();
        versions.is_none_or(|versions| versions.iter().any(|version| requirement.holds(version)))
    }

    /// Returns `false` only if no client's address is in `network`, and no client's address is
    /// unknown.
    #[must_use]
    pub(crate) fn may_contain_address(&self, network: &IpNet) -> bool {
        self.address_unknown
            || self.address_range.is_some_and(|(first, last)| {
                network.network() <= last && first <= network.broadcast()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fleet::Reported;
    use crate::values::selector::parse_cidr;

    fn client(name: &str, ip: &str) -> Client {
        let reported = Reported { ip: Some(ip.into()), ..Reported::default() };
        Client { name: name.into(), reported: Some(reported), ..Client::default() }
    }

    #[test]
    fn each_client_is_told_as_it_would_be_alone() {
        let clients = [
            client("LT-1", "10.0.0.7, ::ffff:10.0.0.8"),
            client("MÜLLER", ""),
            client("x", "10.0.0.9 no"),
            client("y", "fe80::1%eth0 fd00::1"),
        ];
        let client_index = ClientIndex::of(&clients);
        for (index, client) in clients.iter().enumerate() {
            let alone = ClientIndex::of(std::slice::from_ref(client));
            let debug_text = |subject: ClientFields<'_>| format!("{subject:?}");
            assert_eq!(
                debug_text(client_index.subject(index, client, None)),
                debug_text(alone.subject(0, client, None))
            );
        }
        assert_eq!(client_index.subject(1, &clients[1], None).folded, ["müller", "", "", ""]);
    }

    #[test]
    fn what_is_nowhere_is_told_of_all_at_once() {
        let client_index =
            ClientIndex::of(&[client("LT-1", "10.0.0.7"), client("LT-2", "10.0.2.7")]);
        assert!(client_index.may_contain("lt-2") && !client_index.may_contain("lt-3"));
        for (network, may_reach) in [
            ("10.0.0.7/32", true),
            ("10.0.1.0/24", true),
            ("0.0.0.0/0", true),
            ("10.0.0.0/30", false),
            ("10.0.3.0/24", false),
            ("::/0", false),
        ] {
            assert_eq!(
                client_index.may_contain_address(&parse_cidr(network).unwrap()),
                may_reach,
                "{network}"
            );
        }
        for unknown in ["", "no address", "10.0.0.7 ..."] {
            let network = parse_cidr("192.168.0.0/16").unwrap();
            let clients = [client("a", unknown), client("b", "10.0.0.7")];
            assert!(ClientIndex::of(&clients).may_contain_address(&network), "{unknown}");
        }
    }
}
