//! Decides which address is reported as that of a client: none, the address of the connection, or
//! the one that trusted proxies forward.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::api::Text;

/// Header in which proxies forward the address of the client.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Which address is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReportIp {
    /// None.
    #[default]
    Off,
    /// The address of the connection.
    Peer,
    /// The right-most address in `X-Forwarded-For` that is not one of these proxies, if the
    /// connection comes from one of them. A client can write anything further to the left.
    Forwarded(Vec<IpNet>),
}

impl ReportIp {
    /// Returns the address to report for a request.
    #[must_use]
    pub fn of(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Text> {
        let peer = peer.to_canonical();
        let address = match self {
            Self::Off => return None,
            Self::Peer => peer,
            Self::Forwarded(proxies) => forwarded(peer, headers, proxies)?,
        };
        Some(address.to_string().into())
    }
}

fn forwarded(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_proxy(&peer) {
        return Some(peer);
    }
    let values = headers.get_all(FORWARDED_FOR).iter().map(|value| value.to_str().ok());
    let values: Vec<&str> = values.collect::<Option<_>>()?;
    let hops = values.iter().flat_map(|value| value.split(','));
    let hops: Vec<Option<IpAddr>> = hops.map(address).collect();
    // A hop that cannot be read may be the client's own invention, so nothing left of it counts.
    let hop = hops.iter().rev().find(|hop| hop.is_none_or(|address| !is_proxy(&address)));
    hop.copied().flatten()
}

/// Parses an address, perhaps with a port, and in brackets for IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.split(']').next());
    let bare = bare.unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().map(|address| address.ip()).ok();
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_forward_an_address() {
        let proxies = ReportIp::Forwarded(vec![
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ]);
        for (peer, forwarded, reported) in [
            ("10.0.0.1", "198.51.100.7", Some("198.51.100.7")),
            ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.1.1.1", Some("198.51.100.7")),
            ("10.0.0.1", "198.51.100.7:4711", Some("198.51.100.7")),
            ("10.0.0.1", "[2001:db9::1]:4711", Some("2001:db9::1")),
            ("10.0.0.1", "2001:db9::1", Some("2001:db9::1")),
            ("10.0.0.1", "198.51.100.7, unknown", None),
            ("10.0.0.1", "10.1.1.1", None),
            ("10.0.0.1", "", None),
            ("::ffff:10.0.0.1", "::ffff:198.51.100.7", Some("198.51.100.7")),
            ("198.51.100.8", "198.51.100.7", Some("198.51.100.8")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, forwarded.parse().unwrap());
            let peer = peer.parse().unwrap();
            assert_eq!(proxies.of(peer, &headers).as_deref(), reported, "{peer} {forwarded}");
        }
    }

    #[test]
    fn the_address_of_the_connection_is_reported_on_request() {
        let peer = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(ReportIp::Peer.of(peer, &HeaderMap::new()).as_deref(), Some("192.0.2.1"));
        assert_eq!(ReportIp::Off.of(peer, &HeaderMap::new()), None);
    }
}
