//! Decides whether requests go through a proxy, with the rules of Go's `net/http`, which kubectl
//! uses: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, and `proxy-url` of a kubeconfig.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

/// How a client talks to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Https,
    Socks5,
}

/// A proxy, and where its address comes from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub protocol: Protocol,
    /// Scheme, host and port, without credentials.
    pub uri: Uri,
    /// User and password, decoded.
    pub credentials: Option<(String, String)>,
    /// The environment variable or the kubeconfig's field.
    pub source: String,
}

/// The text contains no credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map(|authority| authority.as_str());
        write!(formatter, "{scheme}://{} of {}", authority.unwrap_or_default(), self.source)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proxy({self})")
    }
}

impl Proxy {
    /// Parses the `proxy-url` of a kubeconfig's cluster.
    ///
    /// # Errors
    ///
    /// Returns a message that names the field.
    pub fn of_cluster(text: &str) -> Result<Self, String> {
        parse(text, "proxy-url")
    }

    /// Returns the proxy that the environment names for a server, unless `NO_PROXY` excepts it.
    /// `variable` reads an environment variable.
    ///
    /// # Errors
    ///
    /// Returns a message that names the variable.
    pub fn of_environment(
        server: &Uri,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let first = |names: [&str; 2]| {
            names.into_iter().find_map(|name| {
                let value = variable(name).filter(|value| !value.is_empty())?;
                Some((name.to_owned(), value))
            })
        };
        let is_plain = server.scheme_str() == Some("http");
        let names = match is_plain {
            true => ["HTTP_PROXY", "http_proxy"],
            false => ["HTTPS_PROXY", "https_proxy"],
        };
        let Some((name, value)) = first(names) else { return Ok(None) };
        let host = server.host().unwrap_or_default();
        let port = server.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let exceptions = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value);
        if is_excepted(exceptions.as_deref().unwrap_or_default(), host, port) {
            return Ok(None);
        }
        let whole = super::with_scheme(value);
        parse(&whole, &name).map(Some)
    }

    /// Returns the header that authorizes a request at an HTTP proxy.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials.as_ref()?;
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn parse(text: &str, source: &str) -> Result<Proxy, String> {
    let wrong = |why: &str| {
        format!(
            "{source}: {} {why}; write the address of a proxy, as http://proxy.example.com:3128, \
             with http, https or socks5",
            without_credentials(text)
        )
    };
    let uri: Uri = text.trim().parse().map_err(|_| wrong("is no URL"))?;
    let (protocol, port) = match uri.scheme_str() {
        Some("http") => (Protocol::Http, 80),
        Some("https") => (Protocol::Https, 443),
        Some("socks5") => (Protocol::Socks5, 1080),
        // Go accepts this name of the same protocol in variables, but not in a kubeconfig.
        Some("socks5h") if source != "proxy-url" => (Protocol::Socks5, 1080),
        Some(_) => return Err(wrong("has a protocol that is not supported")),
        None => return Err(wrong("has no protocol")),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
    let port = uri.port_u16().unwrap_or(port);
    let scheme = match protocol {
        Protocol::Http => "http",
        Protocol::Https => "https",
        Protocol::Socks5 => "socks5",
    };
    let address = format!("{scheme}://{host}:{port}").parse().map_err(|_| wrong("is no URL"))?;
    let credentials = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let credentials = credentials.map(|(credentials, _)| {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        (decoded(user), decoded(password))
    });
    Ok(Proxy { protocol, uri: address, credentials, source: source.to_owned() })
}

/// Returns a URL without its user and password, for a message.
pub(super) fn without_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    }
}

/// Returns whether `NO_PROXY` excepts a host, with the rules of Go's `httpproxy`: the loopback is
/// never reached through a proxy of the environment, and entries that cannot be read are passed
/// over.
fn is_excepted(exceptions: &str, host: &str, port: u16) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    let host = host.to_ascii_lowercase();
    exceptions.split(',').any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        if entry.is_empty() || entry == "*" {
            return entry == "*";
        }
        if let Ok(network) = entry.parse::<IpNet>() {
            return ip.is_some_and(|ip| network.contains(&ip));
        }
        let (name, its_port) = split_port(&entry);
        if its_port.is_some_and(|its_port| its_port != port.to_string()) {
            return false;
        }
        match (name.parse::<IpAddr>(), ip) {
            (Ok(its_ip), ip) => ip == Some(its_ip.to_canonical()),
            (Err(_), Some(_)) => false,
            (Err(_), None) => is_in_domain(&host, name),
        }
    })
}

/// Splits an entry into its host and its port. An IPv6 address has brackets if a port follows it.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    let unbracketed = |host: &'_ str| host.starts_with('[') == host.ends_with(']');
    match entry.rsplit_once(':') {
        Some((host, port)) if unbracketed(host) && (host.ends_with(']') || !host.contains(':')) => {
            (
                host.trim_start_matches('[').trim_end_matches(']'),
                Some(port).filter(|p| !p.is_empty()),
            )
        }
        _ => (entry, None),
    }
}

/// Returns whether a host is the domain or one of its subdomains; only the latter for a domain with
/// a leading dot or `*.`.
fn is_in_domain(host: &str, domain: &str) -> bool {
    let domain = if domain.starts_with("*.") { &domain[1..] } else { domain };
    match domain.strip_prefix('.') {
        Some(_) => host.ends_with(domain),
        None if domain.is_empty() => false,
        None => host == domain || host.ends_with(&format!(".{domain}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exceptions, the server's host and port, and whether Go's `httpproxy` excepts it.
    const RULES: &[(&str, &str, u16, bool)] = &[
        ("", "api.example.test", 443, false),
        ("", "localhost", 443, true),
        ("", "127.3.4.5", 443, true),
        ("", "[::1]", 443, true),
        ("", "LOCALHOST", 443, false),
        ("*", "api.example.test", 443, true),
        ("other, *", "api.example.test", 443, true),
        ("example.test", "example.test", 443, true),
        ("example.test", "api.example.test", 443, true),
        ("example.test", "myexample.test", 443, false),
        (".example.test", "example.test", 443, false),
        (".example.test", "api.example.test", 443, true),
        ("*.example.test", "api.example.test", 443, true),
        ("*.example.test", "example.test", 443, false),
        ("EXAMPLE.test", "Api.Example.Test", 443, true),
        ("api.example.test:6443", "api.example.test", 6443, true),
        ("api.example.test:6443", "api.example.test", 443, false),
        (" , :443,,", "api.example.test", 443, false),
        ("10.0.0.0/8", "10.20.30.40", 443, true),
        ("10.1.2.3/8", "10.20.30.40", 443, true),
        ("10.0.0.0/8", "11.20.30.40", 443, false),
        ("10.0.0.0/8", "api.example.test", 443, false),
        ("10.20.30.40", "10.20.30.40", 443, true),
        ("10.20.30.40:6443", "10.20.30.40", 443, false),
        ("10.20.30", "10.20.30.40", 443, false),
        (".40", "10.20.30.40", 443, false),
        ("fd00::/8", "[fd00::1]", 443, true),
        ("fd00::1", "[fd00::1]", 443, true),
        ("[fd00::1]:6443", "[fd00::1]", 6443, true),
        ("[fd00::1]:6443", "[fd00::1]", 443, false),
        ("::ffff:10.20.30.40", "10.20.30.40", 443, true),
    ];

    #[test]
    fn exceptions_are_those_of_go() {
        for (exceptions, host, port, expected) in RULES {
            let found = is_excepted(exceptions, host, *port);
            assert_eq!(found, *expected, "NO_PROXY={exceptions} {host}:{port}");
        }
    }

    fn environment<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + use<'a> {
        |name| variables.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned())
    }

    #[test]
    fn a_wrong_address_is_an_error_that_names_its_source_and_no_password() {
        let server = Uri::from_static("https://api.example.test");
        for text in ["http://", "ftp://proxy", "http://user:secret@", "http://a b", "socks4://p:1"]
        {
            let error = Proxy::of_environment(&server, environment(&[("https_proxy", text)]));
            let error = error.expect_err(text);
            assert!(error.starts_with("https_proxy: ") && !error.contains("secret"), "{error}");
        }
        for text in ["proxy:3128", "socks5h://proxy", "//proxy:3128"] {
            let error = Proxy::of_cluster(text).expect_err(text);
            assert!(error.starts_with("proxy-url: "), "{error}");
        }
    }

    #[test]
    fn the_schemes_have_their_own_variables_and_ports() {
        let variables = [
            ("HTTP_PROXY", "plain:1"),
            ("https_proxy", "socks5h://u:p%40ss@secure"),
            ("ALL_PROXY", "all"),
        ];
        let of = |server: &'static str| {
            Proxy::of_environment(&Uri::from_static(server), environment(&variables))
                .unwrap()
                .unwrap()
        };
        assert_eq!(of("http://api.example.test").to_string(), "http://plain:1 of HTTP_PROXY");
        let secure = of("https://api.example.test");
        assert_eq!(secure.to_string(), "socks5://secure:1080 of https_proxy");
        assert_eq!(secure.credentials, Some(("u".to_owned(), "p@ss".to_owned())));
    }
}
