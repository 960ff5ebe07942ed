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
use crate::values::selector::{fold_case_into, parse_ip};
use crate::values::{Version, VersionRequirement};

/// Index of the client fields that selectors compare.
#[derive(Debug, Default)]
pub struct ClientIndex {
    /// Case-folded fields of all clients, concatenated without separators.
    text: String,
    places: Vec<TextSpan>,
    /// Lowest and highest IP address of the clients; `None` if no client has a valid address.
    addresses: Option<(IpAddr, IpAddr)>,
    /// Versions that the clients run or could move to; `None` if they are not known.
    versions: Option<Vec<Version>>,
}

#[derive(Debug)]
struct TextSpan {
    start: usize,
    /// End positions of the client's fields in the index text, in the order of [`Field::ALL`].
    ends: [usize; Field::ALL.len()],
    ip: Option<IpAddr>,
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
        self.versions = Some(running.chain(targets).collect());
    }

    fn add(&mut self, client: &Client) {
        let start = self.text.len();
        let ends = Field::ALL.map(|field| {
            field.written(client).iter().for_each(|text| fold_case_into(text, &mut self.text));
            self.text.len()
        });
        let ip = Field::Ip.written(client).and_then(|ip| parse_ip(ip));
        if let Some(ip) = ip {
            let (first, last) = self.addresses.unwrap_or((ip, ip));
            self.addresses = Some((first.min(ip), last.max(ip)));
        }
        self.places.push(TextSpan { start, ends, ip });
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
        let TextSpan { mut start, ends, ip } = self.places[index];
        let folded = ends.map(|end| &self.text[std::mem::replace(&mut start, end)..end]);
        ClientFields { name: &client.name, labels: &client.labels, ip, version, folded }
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

    /// Returns `false` only if no client's address is in `network`.
    #[must_use]
    pub(crate) fn may_contain_address(&self, network: &IpNet) -> bool {
        self.addresses
            .is_some_and(|(first, last)| network.network() <= last && first <= network.broadcast())
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
        let clients = [client("LT-1", "10.0.0.7"), client("MÜLLER", ""), client("x", "no address")];
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
        assert!(
            !ClientIndex::of(&[client("a", "")])
                .may_contain_address(&parse_cidr("0.0.0.0/0").unwrap())
        );
    }
}
