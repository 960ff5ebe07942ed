//! Builds the URLs in answers. All of them begin with the external URL that the operator sets, never
//! with the `Host` header, which is wrong behind a proxy that terminates TLS.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;

use super::ActionId;
use super::path::{FileName, MD5_SUFFIX, SIGNATURE_SUFFIX, encode};

/// URL under which agents reach the service, such as `https://updates.example.com/ddi`: `http` or
/// `https`, a host, and perhaps a port and a path. It has no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The text is not the base URL of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no base URL: write http or https, a host, and perhaps a port and a path, without user, \
     query and fragment, as https://updates.example.com"
)]
pub struct BaseUrlError(String);

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let is_base = |url: &Uri| {
            let has_scheme = matches!(url.scheme_str(), Some("http" | "https"));
            has_scheme && url.authority().is_some_and(is_host) && !text.contains(['?', '#'])
        };
        match text.parse::<Uri>() {
            Ok(url) if is_base(&url) => Ok(Self(text.trim_end_matches('/').to_owned())),
            _ => Err(BaseUrlError(text.to_owned())),
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether an authority is a host, perhaps with a port, and without a user.
fn is_host(authority: &Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port =
        |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    !authority.host().is_empty() && port.is_some_and(|port| port.is_empty() || is_port(port))
}

/// Builds the URLs of one client's resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hrefs {
    /// URL of the client's base resource.
    client: String,
    /// Length of the external URL in bytes, up to the slash before the tenant.
    base_bytes: usize,
}

impl Hrefs {
    /// Maximum length of an artifact's path from the tenant on, in bytes. Zephyr cannot download an
    /// artifact with a longer path.
    const MAX_ZEPHYR_PATH_BYTES: usize = 199;

    /// Returns the URLs of a client. The tenant is written in upper case, as hawkBit does: Zephyr
    /// polls `/default/…`, but downloads only from a URL that contains `/DEFAULT/controller/v1`.
    #[must_use]
    pub fn new(base: &BaseUrl, tenant: &str, client: &str) -> Self {
        let tenant = tenant.to_ascii_uppercase();
        let (tenant, name) = (encode(&tenant), encode(client));
        let client = format!("{base}/{tenant}/controller/v1/{name}");
        Self { client, base_bytes: base.0.len() }
    }

    /// Returns the URL of a deployment. The Python RAUC client needs `?c=`, and Zephyr at most 49
    /// bytes from `deploymentBase` on; these are at most 38.
    #[must_use]
    pub fn deployment(&self, id: ActionId, revision: u32) -> String {
        format!("{}/deploymentBase/{id}?c={revision}", self.client)
    }

    /// Returns the URL of a cancellation.
    #[must_use]
    pub fn cancel(&self, id: ActionId) -> String {
        format!("{}/cancelAction/{id}", self.client)
    }

    /// Returns the URL to which the agent sends its attributes.
    #[must_use]
    pub fn config_data(&self) -> String {
        format!("{}/configData", self.client)
    }

    /// Returns the URL of a package's file.
    #[must_use]
    pub fn artifact(&self, version: &str, file: &FileName) -> String {
        let (version, file) = (encode(version), encode(file.as_str()));
        format!("{}/softwaremodules/{version}/artifacts/{file}", self.client)
    }

    /// Returns the URL of the MD5 sum of a package's file.
    #[must_use]
    pub fn artifact_md5(&self, version: &str, file: &FileName) -> String {
        self.artifact(version, file) + MD5_SUFFIX
    }

    /// Returns the URL of the signature of a package's file.
    #[must_use]
    pub fn artifact_signature(&self, version: &str, file: &FileName) -> String {
        self.artifact(version, file) + SIGNATURE_SUFFIX
    }

    /// Returns whether Zephyr can download a package's file.
    #[must_use]
    pub fn fits_zephyr(&self, version: &str, file: &FileName) -> bool {
        self.artifact(version, file).len() - self.base_bytes <= Self::MAX_ZEPHYR_PATH_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hrefs(base: &str, tenant: &str, client: &str) -> Hrefs {
        Hrefs::new(&base.parse().expect("a URL"), tenant, client)
    }

    #[test]
    fn urls_are_absolute_and_encoded() {
        let hrefs = hrefs("https://h:8443/x/", "default", "WS é\\1%?#+'");
        let client =
            "https://h:8443/x/DEFAULT/controller/v1/WS%20%C3%A9%5C1%25%3F%23%2B%27".to_owned();
        let id = ActionId::parse("17").expect("an id");
        let file = FileName::parse("a_1+2.swu").expect("a name");
        assert_eq!(hrefs.deployment(id, 5), client.clone() + "/deploymentBase/17?c=5");
        assert_eq!(hrefs.cancel(id), client.clone() + "/cancelAction/17");
        assert_eq!(hrefs.config_data(), client.clone() + "/configData");
        let artifact = client + "/softwaremodules/1.0%2Bb/artifacts/a_1%2B2.swu";
        assert_eq!(hrefs.artifact("1.0+b", &file), artifact);
        assert_eq!(hrefs.artifact_md5("1.0+b", &file), artifact.clone() + ".MD5SUM");
        assert_eq!(hrefs.artifact_signature("1.0+b", &file), artifact + ".minisig");
    }

    #[test]
    fn zephyr_limits_the_length_of_paths() {
        let longest = ActionId::parse("2147483647").expect("an id");
        let url = hrefs("http://h", "default", "a").deployment(longest, u32::MAX);
        let path = &url[url.find("deploymentBase/").expect("the resource")..];
        assert!(path.len() < 50, "{path}");
        let fits = |client: &str, file: &str| {
            let file = FileName::parse(file).expect("a name");
            hrefs("https://updates.example.com/ddi", "default", client).fits_zephyr("1.0", &file)
        };
        let rest = "/DEFAULT/controller/v1/c/softwaremodules/1.0/artifacts/".len();
        assert!(fits("c", &"f".repeat(128)));
        assert!(fits(&"c".repeat(63), &"f".repeat(199 - rest - 62)));
        assert!(!fits(&"c".repeat(63), &"f".repeat(200 - rest - 62)));
    }

    #[test]
    fn base_urls_have_a_scheme_and_a_host() {
        for (text, shown) in [
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://[2001:db8::1]/", "https://[2001:db8::1]"),
            ("https://h/a/b//", "https://h/a/b"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().map(|url| url.to_string()).as_deref(), Ok(shown));
        }
        for text in [
            "",
            "h",
            "h:8080",
            "/x",
            "ftp://h",
            "https://",
            "https:///x",
            "https://u:p@h",
            "https://h?x",
            "https://h#x",
            "https://h /x",
            "https://h:x",
        ] {
            assert!(text.parse::<BaseUrl>().is_err(), "{text}");
        }
    }
}
