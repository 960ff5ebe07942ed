//! Defines the options of `serve`, with their `--help` text.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::arguments::{LogArgs, listen_address, namespace_name};
use crate::api::Text;
use crate::api::bounds;
use crate::cluster::connection::{Connection, seconds};
use crate::ddi::BaseUrl;

/// Examples of `serve --help`.
pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  # Serve the clients of the namespace clients to agents with the tenant default
  clientfleet serve --tenant default=clients --url https://updates.example.com \\
    --packages /srv/packages --keys /etc/clientfleet/keys --tls-cert tls.crt --tls-key tls.key
  # Say whether everything is in place, without serving
  clientfleet serve --check --url http://localhost:8080 --packages packages --keys keys

Exit codes: 0 after a signal to stop; 1 if it cannot serve; 2 for wrong options.";

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Which cluster.
    #[command(flatten)]
    pub connection: Connection,
    /// What agents connect to.
    #[command(flatten)]
    pub door: DoorArgs,
    /// What agents install.
    #[command(flatten)]
    pub packages: PackageArgs,
    /// How agents and reports are treated.
    #[command(flatten)]
    pub checkin: CheckinArgs,
    /// Where /livez, /readyz and /metrics are served.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
    /// Check files, packages and rights, print what would be served, and exit
    #[arg(long)]
    pub check: bool,
}

/// What agents connect to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Agents")]
pub struct DoorArgs {
    /// Listen for agents at this address, as 127.0.0.1:8080, or :8080 for every address
    #[arg(long, value_name = "ADDRESS:PORT", default_value = ":8080", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// URL under which agents reach the service, behind any proxy, as https://updates.example.com
    #[arg(long, value_name = "URL")]
    pub url: BaseUrl,
    /// Serve the clients of this namespace under this tenant of the agents' configuration; repeat
    /// for several; default: default=NAMESPACE, with the namespace of the context
    #[arg(long = "tenant", value_name = "TENANT=NAMESPACE", value_parser = tenant)]
    pub tenants: Vec<(String, String)>,
    /// File with the keys of the tokens, one a line, as `openssl rand -base64 32` prints them
    #[arg(long, value_name = "FILE")]
    pub keys: PathBuf,
    /// File with clients whose tokens are refused, one NAMESPACE/CLIENT a line
    #[arg(long, value_name = "FILE")]
    pub revoked: Option<PathBuf>,
    /// File with the TLS certificate and its chain, in PEM; default: no TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// File with the key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Maximum number of connections
    #[arg(long, value_name = "NUMBER", default_value = "10000")]
    pub max_connections: NonZeroUsize,
}

/// What agents install.
#[derive(Debug, Args)]
#[command(next_help_heading = "Packages")]
pub struct PackageArgs {
    /// Folder with the packages, as VERSION/FILE or VERSION/VARIANT/FILE
    #[arg(long, value_name = "FOLDER")]
    pub packages: PathBuf,
    /// Folder outside of the packages that keeps their hashes, so that a restart need not read them
    #[arg(long, value_name = "FOLDER")]
    pub hash_cache: Option<PathBuf>,
    /// Label of a client that chooses the VARIANT
    #[arg(long, value_name = "LABEL", default_value = "clientfleet.dev/variant")]
    pub variant_label: String,
    /// minisign public key: offer only files with a valid signature FILE.minisig
    #[arg(long, value_name = "FILE")]
    pub package_key: Option<PathBuf>,
    /// Maximum number of bytes per second of all downloads together
    #[arg(long, value_name = "BYTES")]
    pub max_bytes_per_second: Option<NonZeroU64>,
}

/// How agents and reports are treated.
#[derive(Debug, Args)]
#[command(next_help_heading = "Polls and reports")]
pub struct CheckinArgs {
    /// Time between two polls of a client
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = interval)]
    pub poll_interval: Duration,
    /// Time between two polls while a client works on an offer; a halt stops it within this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = interval)]
    pub open_poll_interval: Duration,
    /// Maximum number of writes to the API server per second
    #[arg(long, value_name = "NUMBER", default_value = "5", value_parser = rate)]
    pub max_writes_per_second: f64,
    /// Agents send the attribute version, computer, user or bootId under another name, as
    /// version=fw_version; repeat for several
    #[arg(long = "attribute", value_name = "NAME=KEY")]
    pub attributes: Vec<String>,
    /// What a finished installation means: the version is staged until the restart, or it runs, for
    /// agents that cannot report a version
    #[arg(long, value_name = "STATE", value_enum, default_value_t)]
    pub closed_means: ClosedMeansArg,
    /// Version of clients that were asked and reported none; with --closed-means running
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub initial_version: Option<Text>,
    /// Report the address of the connection as that of the client, or the one that the proxies of
    /// --trusted-proxy forward in X-Forwarded-For; default: none
    #[arg(long, value_name = "WHICH", value_enum)]
    pub report_ip: Option<ReportIpArg>,
    /// Network of a trusted proxy, as 10.0.0.0/8; repeat for several
    #[arg(long = "trusted-proxy", value_name = "NETWORK", value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
}

/// Where /livez, /readyz and /metrics are served.
#[derive(Debug, Args)]
#[command(next_help_heading = "Observing it")]
pub struct MetricsArgs {
    /// Serve /livez, /readyz and /metrics at this address; default: nowhere
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
    pub metrics_listen: Option<SocketAddr>,
}

/// What a success that closes an action means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ClosedMeansArg {
    /// The version takes effect at the next restart
    #[default]
    Staged,
    /// The client runs the version
    Running,
}

/// Which address is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportIpArg {
    /// The address of the connection
    Peer,
    /// The address that a trusted proxy forwards
    Forwarded,
}

fn tenant(text: &str) -> Result<(String, String), String> {
    let form = || "write a tenant, an equals sign and a namespace, as default=clients".to_owned();
    let (tenant, namespace) = text.split_once('=').ok_or_else(form)?;
    let is_tenant = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if tenant.is_empty() || !tenant.bytes().all(is_tenant) || matches!(tenant, "." | "..") {
        return Err("a tenant has only letters, digits, \"-\", \"_\" and \".\"".to_owned());
    }
    Ok((tenant.to_ascii_lowercase(), namespace_name(namespace)?))
}

/// Parses the time between two polls. Agents take whole seconds below one day.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    let is_possible = (1..24 * 60 * 60).contains(&interval.as_secs());
    if is_possible { Ok(interval) } else { Err("write a time from 1s to 23h59m59s".to_owned()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "write a number, as 5 or 0.5".to_owned())?;
    let is_possible = (0.01..=1000.0).contains(&rate);
    if is_possible { Ok(rate) } else { Err("write a number from 0.01 to 1000".to_owned()) }
}

fn version(text: &str) -> Result<Text, String> {
    let parsed = crate::values::Version::parse(text).map_err(|error| error.to_string())?;
    drop(parsed);
    if text.len() > bounds::VERSION {
        return Err(format!("a version has at most {} characters", bounds::VERSION));
    }
    Ok(text.into())
}

/// Parses a network; an address alone is the network of this address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| "write an address and the length of its prefix, as 10.0.0.0/8".to_owned())
}
