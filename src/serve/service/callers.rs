//! Decides which client sends a request: the tenant of the path names a namespace, and the token
//! must be that of the client.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::ddi::credentials::{Authorization, KeyRing, RevokedClients};
use crate::serve::front::Reloaded;

/// Tenants with their namespaces. Tenants are in lower case, because hawkBit ignores case.
pub type Tenants = BTreeMap<String, String>;

/// What requests are checked against.
pub struct Callers {
    /// Tenants with their namespaces.
    pub tenants: Tenants,
    /// Keys of the tokens.
    pub keys: Arc<Reloaded<KeyRing>>,
    /// Clients whose tokens are refused; `None` without `--revoked`.
    pub revoked: Option<Arc<Reloaded<RevokedClients>>>,
}

/// Why a request is refused, as a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such tenant.
    Tenant,
    /// The token is missing, or not that of the client.
    Credentials,
    /// The client is revoked.
    Revoked,
}

impl Refusal {
    /// Returns the word for metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Credentials => "credentials",
            Self::Revoked => "revoked",
        }
    }
}

impl Callers {
    /// Returns the namespace of the client that sends a request, if its token is right.
    ///
    /// # Errors
    /// Returns why the request is refused. The response must not depend on it.
    pub fn namespace(
        &self,
        tenant: &str,
        client: &str,
        headers: &HeaderMap,
    ) -> Result<&str, Refusal> {
        let namespace = self.tenants.get(&tenant.to_ascii_lowercase()).ok_or(Refusal::Tenant)?;
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::Credentials);
        };
        // There are no gateway tokens.
        let Ok(Authorization::Target(token)) = Authorization::parse(value.as_bytes()) else {
            return Err(Refusal::Credentials);
        };
        if !self.keys.current().accepts(&token, namespace, client) {
            return Err(Refusal::Credentials);
        }
        let revoked = self.revoked.as_ref().map(|revoked| revoked.current());
        if revoked.is_some_and(|revoked| revoked.contains(namespace, client)) {
            return Err(Refusal::Revoked);
        }
        Ok(namespace)
    }
}
