//! Connects to an API server as kubectl does: with a kubeconfig, or in a pod with its service
//! account, directly or through a proxy.
//!
//! [`Connection`] is the part of the command line that selects the cluster and the user, and
//! [`ClusterAccess`] is what it leads to.

mod check;
mod client;
mod connector;
mod credentials;
mod in_cluster;
mod kubeconfig;
mod options;
mod plugin;
mod proxy;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderValue, USER_AGENT};
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster,
    NamedContext,
};
use kube::{Client, Config};

use self::check::{check, check_server};
use self::credentials::TokenSource;
use self::in_cluster::SERVICE_ACCOUNT_FOLDER;
use self::kubeconfig::{Entries, Files};
use self::plugin::Plugin;
use self::proxy::Proxy;

pub(crate) use self::options::seconds;
pub use self::options::{Connection, Token};

/// User agent of the program in requests to an API server.
const NAME_AND_VERSION: &str = concat!("clientfleet/", env!("CARGO_PKG_VERSION"));

/// Name of the entries in the kubeconfig that is built from the selected ones.
const SELECTED: &str = "selected";

/// How to reach an API server: its address, the credentials, the way, and the default namespace.
#[derive(Clone, Debug)]
pub struct ClusterAccess {
    /// kube's configuration. Its timeouts may be changed; it has no proxy and no credential plugin.
    pub config: Config,
    proxy: Option<Proxy>,
    tokens: Option<TokenSource>,
    request_timeout: Option<Duration>,
}

impl ClusterAccess {
    /// Creates a client with TCP keep-alive and without automatic retries.
    ///
    /// # Errors
    ///
    /// Returns a message if the configuration cannot be used.
    pub fn client(&self) -> Result<Client, String> {
        client::client(self).map_err(|error| no_cluster(&with_causes(&error)))
    }
}

impl Connection {
    /// Reads the configuration, and runs the user's credential plugin if there is one. Does not
    /// contact the API server.
    ///
    /// # Errors
    ///
    /// Returns an error message if no usable configuration is found.
    pub async fn access(&self) -> Result<ClusterAccess, String> {
        let files = kubeconfig::read(self.kubeconfig.as_deref()).map_err(|why| unusable(&why))?;
        let folder = Path::new(SERVICE_ACCOUNT_FOLDER);
        if let Some(mut entries) = files.entries(self).map_err(|why| unusable(&why))? {
            // Like kubectl, a kubeconfig without a namespace means the pod's in a pod.
            entries.namespace =
                entries.namespace.or_else(|| in_cluster::namespace(folder, variable));
            return self.to(entries, Some(&files)).await;
        }
        let Some(mut entries) = in_cluster::entries(folder, variable) else {
            return Err(unusable(&files.why_empty()));
        };
        self.override_cluster(&mut entries.cluster);
        self.override_user(&mut entries.user);
        self.to(entries, None).await
    }

    /// Returns the merged kubeconfig, such as for the names in it.
    ///
    /// # Errors
    ///
    /// Returns a message that names the file that cannot be read.
    pub fn kubeconfig(&self) -> Result<Kubeconfig, String> {
        kubeconfig::read(self.kubeconfig.as_deref()).map(|files| files.merged)
    }

    /// Returns the way to the selected cluster. `files` are the kubeconfig files; `None` for the
    /// pod's own cluster, which is never reached through a proxy of the environment.
    async fn to(&self, entries: Entries, files: Option<&Files>) -> Result<ClusterAccess, String> {
        let Entries { mut cluster, mut user, user_name, namespace } = entries;
        let place = files.map(Files::names).filter(|names| !names.is_empty());
        let place = place.map_or(String::new(), |names| format!("{names}: "));
        let wrong = |why: String| no_cluster(&format!("{place}{why}"));
        check(&cluster, &user).map_err(wrong)?;
        cluster.server = cluster.server.map(with_scheme);
        if cluster.server.as_ref().is_some_and(|server| server.starts_with("http://")) {
            // Like kubectl, do not send credentials that everyone on the way can read.
            user = impersonation(user);
        }
        let (exec, token_file) = (user.exec.take(), user.token_file.take());
        let has_certificate =
            user.client_certificate.is_some() || user.client_certificate_data.is_some();
        let has_login = has_certificate
            || user.token.is_some()
            || token_file.is_some()
            || (user.username.is_some() && user.password.is_some());
        let proxy_of_cluster = cluster.proxy_url.clone();
        let plugin = exec.filter(|_| !has_login);
        let plugin = plugin.map(|exec| Plugin::new(exec, &cluster, &user_name)).transpose();
        let plugin = plugin.map_err(wrong)?;
        let server = check_server(cluster.server.as_deref().unwrap_or_default()).map_err(wrong)?;
        let proxy = match (proxy_of_cluster, files) {
            (Some(url), _) => Some(Proxy::of_cluster(&url).map_err(wrong)?),
            (None, Some(_)) => {
                Proxy::of_environment(&server, variable).map_err(|why| no_cluster(&why))?
            }
            (None, None) => None,
        };
        let tokens = match (plugin, token_file) {
            (Some(plugin), _) => {
                let latest = credentials::run(plugin.clone()).await.map_err(no_login)?;
                if let Some((certificate, key)) = &latest.certificate {
                    user.client_certificate_data = Some(STANDARD.encode(certificate));
                    user.client_key_data = Some(STANDARD.encode(key).into());
                }
                Some(TokenSource::plugin(plugin, latest))
            }
            (None, Some(file)) => {
                let tokens = TokenSource::file(file.into(), check::token(&user));
                user.token = None;
                tokens.header().await.map_err(no_login)?;
                Some(tokens)
            }
            (None, None) => None,
        };
        let mut config = kube_config(cluster, user, namespace).await.map_err(wrong)?;
        if files.is_none() && !config.accept_invalid_certs {
            // The mounted certificates are replaced while the pod runs.
            let mounted = Path::new(SERVICE_ACCOUNT_FOLDER).join("ca.crt");
            config.root_cert_file = self.certificate_authority.clone().or(Some(mounted));
        }
        let request_timeout = self.timeout();
        Ok(ClusterAccess { config, proxy, tokens, request_timeout })
    }
}

/// Returns kube's configuration for a cluster and a user, without a proxy.
async fn kube_config(
    cluster: Cluster,
    user: AuthInfo,
    namespace: Option<String>,
) -> Result<Config, String> {
    // kube would read variables of the environment, but does not except what kubectl excepts.
    let cluster = Cluster { proxy_url: Some("http://unused.invalid".to_owned()), ..cluster };
    let context = Context {
        cluster: SELECTED.to_owned(),
        user: Some(SELECTED.to_owned()),
        namespace,
        extensions: None,
        other: std::collections::BTreeMap::default(),
    };
    let named = SELECTED.to_owned();
    let kubeconfig = Kubeconfig {
        clusters: vec![NamedCluster {
            name: named.clone(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: named.clone(),
            auth_info: Some(user),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: named.clone(),
            context: Some(context),
            ..NamedContext::default()
        }],
        current_context: Some(named),
        ..Kubeconfig::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| with_causes(&error))?;
    config.proxy_url = None;
    config.default_retry = false;
    // The user agent identifies the program in `managedFields` and audit logs.
    config.headers.push((USER_AGENT, HeaderValue::from_static(NAME_AND_VERSION)));
    Ok(config)
}

/// Returns what a user without credentials keeps: as whom it acts.
fn impersonation(user: AuthInfo) -> AuthInfo {
    AuthInfo {
        impersonate: user.impersonate,
        impersonate_uid: user.impersonate_uid,
        impersonate_groups: user.impersonate_groups,
        impersonate_user_extra: user.impersonate_user_extra,
        ..AuthInfo::default()
    }
}

/// Returns the address of a server or a proxy as a URL. Like kubectl, an address without a scheme
/// means `http`.
fn with_scheme(address: String) -> String {
    if address.contains("://") { address } else { format!("http://{address}") }
}

/// Reads an environment variable. A value that is not UTF-8 is no address, and is refused as one.
fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(OsString::into_string).map(|value| match value {
        Ok(value) => value,
        Err(value) => value.to_string_lossy().into_owned(),
    })
}

fn unusable(why: &str) -> String {
    format!(
        "{}; name a kubeconfig file with --kubeconfig or KUBECONFIG, and one of its contexts with \
         --context",
        no_cluster(why)
    )
}

fn no_cluster(why: &str) -> String {
    format!("no cluster to connect to: {why}")
}

fn no_login(why: String) -> String {
    format!("no way to log in: {why}")
}

/// Formats an error with its causes. The text of a connection error says only that the connection
/// failed; its causes contain the reason.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let cause_text = error.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        cause = error.source();
    }
    text
}
