//! Implements `clientfleet serve`: reads the files that the options name, connects to the cluster
//! and serves until it receives SIGTERM or SIGINT.

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use tokio_rustls::rustls::ServerConfig;

use super::audit::Auditor;
use super::check;
use super::front::{FrontLimits, FrontOptions, Reloaded, tls};
use super::packages::{HashCache, PackageScanner, ScanOptions};
use super::peers::ReportIp;
use super::running::{Options, Serving};
use super::service::ServiceOptions;
use super::service::callers::{Callers, Tenants};
use crate::api::Text;
use crate::checkin::messages::ClosedMeans;
use crate::checkin::poll::Intervals;
use crate::cluster::connection::Connection;
use crate::daemon::audit_stream::Stream;
use crate::daemon::clock::SystemClock;
use crate::daemon::identity::{default_identity, mark};
use crate::daemon::listening::bind;
use crate::daemon::logging::Logging;
use crate::daemon::{self, http_server, signals};
use crate::ddi::attributes::AttributeNames;
use crate::ddi::credentials::{KeyRing, RevokedClients};
use crate::ddi::{BaseUrl, PackageKey};

/// The command-line options of the service.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The cluster to connect to.
    pub connection: Connection,
    /// Address at which agents connect.
    pub listen: SocketAddr,
    /// URL under which agents reach the service.
    pub url: BaseUrl,
    /// Tenants with their namespaces; empty for the tenant `default` and the namespace of the
    /// context.
    pub tenants: Vec<(String, String)>,
    /// File with the keys of the tokens.
    pub keys: PathBuf,
    /// File with the clients whose tokens are refused.
    pub revoked: Option<PathBuf>,
    /// Files with the TLS certificate and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Maximum number of connections.
    pub max_connections: NonZeroUsize,
    /// Folder with the packages.
    pub packages: PathBuf,
    /// Folder with the hashes of the packages.
    pub hash_cache: Option<PathBuf>,
    /// Label of a client that chooses the variant.
    pub variant_label: String,
    /// File with the public key of the package signatures.
    pub package_key: Option<PathBuf>,
    /// Maximum number of bytes per second of all downloads.
    pub max_bytes_per_second: Option<NonZeroU64>,
    /// Intervals between polls.
    pub intervals: Intervals,
    /// Maximum number of writes to the API server per second.
    pub max_writes_per_second: f64,
    /// Renamed attributes, as `version=fw_version`.
    pub attributes: Vec<String>,
    /// What a success that closes an action means.
    pub closed_means: ClosedMeans,
    /// Version of clients that cannot report one.
    pub initial_version: Option<Text>,
    /// Address that is reported as that of the client.
    pub report_ip: ReportIp,
    /// Networks of trusted proxies.
    pub trusted_proxies: Vec<IpNet>,
    /// Address of the HTTP server for probes and metrics; `None` to start no server.
    pub metrics_listen: Option<SocketAddr>,
    /// The logging options.
    pub logging: Logging,
    /// True to check everything and exit.
    pub check: bool,
}

/// Runs the service until it receives SIGTERM or SIGINT, or checks what it would serve.
///
/// # Errors
/// Returns a message if the service cannot start, or fails before it receives a signal.
pub fn run_until_stopped(orders: &ServeOptions) -> Result<(), String> {
    daemon::run(&orders.logging, |audit| run_with_signals(orders, audit))
}

async fn run_with_signals(orders: &ServeOptions, audit: Option<Arc<Stream>>) -> Result<(), String> {
    let mut stopped = std::pin::pin!(signals::stopped()?);
    if let Some(stream) = &audit {
        signals::reopen_on_hangup(Arc::clone(stream))?;
    }
    // Fail early for what the operator can fix at once.
    let socket = match orders.check {
        true => None,
        false => Some(bind("--listen", orders.listen)?),
    };
    let files = Files::read(orders)?;
    let access = tokio::select! {
        () = &mut stopped => return Ok(()),
        access = orders.connection.access() => access?,
    };
    let tenants = tenants(&orders.tenants, &access.config.default_namespace);
    let client = access.client()?;
    let auditor = Auditor::new(default_identity(&mark()), audit);
    let options = files.options(orders, tenants, auditor)?;
    if orders.check {
        return check::run(client, options, stopped).await;
    }
    let serving = Serving::start(client, Arc::new(SystemClock), options);
    if let Some(address) = orders.metrics_listen {
        http_server::start("--metrics-listen", address, serving.endpoints())?;
    }
    match socket {
        Some(socket) => serving.run(socket, stopped).await,
        None => Ok(()),
    }
}

/// What the files contain that the options name.
struct Files {
    keys: Arc<Reloaded<KeyRing>>,
    revoked: Option<Arc<Reloaded<RevokedClients>>>,
    tls: Option<Arc<Reloaded<ServerConfig>>>,
}

impl Files {
    fn read(orders: &ServeOptions) -> Result<Self, String> {
        let keys = text_file("--keys", &orders.keys, KeyRing::parse)?;
        let revoked = orders.revoked.as_deref();
        let revoked =
            revoked.map(|file| text_file("--revoked", file, RevokedClients::parse)).transpose()?;
        let tls = orders.tls.clone().map(|(certificate, key)| tls::open(certificate, key));
        Ok(Self { keys, revoked, tls: tls.transpose()? })
    }

    fn options(
        self,
        orders: &ServeOptions,
        tenants: Tenants,
        auditor: Auditor,
    ) -> Result<Options, String> {
        let Self { keys, revoked, tls } = self;
        let names = orders.attributes.iter().map(String::as_str);
        let attribute_names =
            AttributeNames::renamed(names).map_err(|error| format!("--attribute: {error}"))?;
        let limits = FrontLimits {
            connections: orders.max_connections.get(),
            unlimited_networks: orders.trusted_proxies.clone(),
            ..FrontLimits::default()
        };
        let service = ServiceOptions {
            base_url: orders.url.clone(),
            intervals: orders.intervals,
            attribute_names,
            closed_means: orders.closed_means,
            initial_version: orders.initial_version.clone(),
            variant_label: orders.variant_label.clone(),
            report_ip: orders.report_ip.clone(),
        };
        Ok(Options {
            service,
            callers: Callers { tenants, keys, revoked },
            packages: scanner(orders)?,
            max_bytes_per_second: orders.max_bytes_per_second,
            max_writes_per_second: orders.max_writes_per_second,
            front: FrontOptions { limits, tls, ..FrontOptions::default() },
            auditor,
        })
    }
}

/// Reads a text file whose content is parsed again when it changes.
fn text_file<T, E: Display>(
    option: &'static str,
    file: &Path,
    parse: impl Fn(&str) -> Result<T, E> + Send + Sync + 'static,
) -> Result<Arc<Reloaded<T>>, String> {
    let name = file.display().to_string();
    let read = Reloaded::open(vec![file.to_owned()], move |contents| {
        let text = contents.first().map(Vec::as_slice).unwrap_or_default();
        let text = str::from_utf8(text).map_err(|_| format!("{name}: not UTF-8 text"))?;
        parse(text).map_err(|error| format!("{name}: {error}"))
    });
    read.map_err(|error| format!("{option} {error}"))
}

type Packages =
    (PackageScanner, tokio::sync::watch::Receiver<Arc<super::packages::PackageCatalog>>);

fn scanner(orders: &ServeOptions) -> Result<Packages, String> {
    let ServeOptions { packages: store, hash_cache, package_key, .. } = orders;
    let cache = hash_cache.as_deref().map(|folder| HashCache::open(folder, store)).transpose()?;
    let key = package_key.as_deref().map(|file| {
        let failed = |error: &dyn Display| format!("--package-key {}: {error}", file.display());
        let text = fs::read_to_string(file).map_err(|error| failed(&error))?;
        PackageKey::parse(&text).map_err(|error| failed(&error))
    });
    let options = ScanOptions { key: key.transpose()?, ..ScanOptions::default() };
    PackageScanner::new(store, options, cache).map_err(|error| error.to_string())
}

/// Returns the table of tenants. Two tenants may have the same namespace.
fn tenants(asked: &[(String, String)], default_namespace: &str) -> Tenants {
    if asked.is_empty() {
        return Tenants::from([("default".to_owned(), default_namespace.to_owned())]);
    }
    asked.iter().cloned().collect()
}
