//! Defines the connection options of every command, with the names and meanings that kubectl gives
//! them, and applies them to the entries of a kubeconfig.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use kube::config::{AuthInfo, Cluster};

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Connection options")]
pub struct Connection {
    /// The kubeconfig file; default: $KUBECONFIG, else ~/.kube/config, else the pod's own account
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; default: its current one
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub context: Option<String>,
    /// The kubeconfig's cluster; default: the context's
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), hide_short_help = true)]
    pub cluster: Option<String>,
    /// The kubeconfig's user; default: the context's
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), hide_short_help = true)]
    pub user: Option<String>,
    /// Act as this user
    #[arg(long = "as", id = "as", value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub impersonated_user: Option<String>,
    /// Act as a member of this group; can be given several times
    #[arg(long = "as-group", id = "as-group", value_name = "GROUP", value_parser = NonEmptyStringValueParser::new())]
    pub impersonated_groups: Vec<String>,
    /// Act as the user with this UID
    #[arg(long = "as-uid", id = "as-uid", value_name = "UID", value_parser = NonEmptyStringValueParser::new(), hide_short_help = true)]
    pub impersonated_uid: Option<String>,
    /// Act as a user with this extra attribute; can be given several times
    #[arg(long = "as-user-extra", id = "as-user-extra", value_name = "KEY=VALUE", value_parser = extra, hide_short_help = true)]
    pub impersonated_extra: Vec<(String, String)>,
    /// Give up on a request after this time, as 10s or 2m; 0 waits without limit; default: 0
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub request_timeout: Option<Duration>,
    /// The API server's address; default: the cluster's
    #[arg(short, long, value_name = "URL", value_parser = NonEmptyStringValueParser::new(), hide_short_help = true)]
    pub server: Option<String>,
    /// Log in with this bearer token
    #[arg(long, value_name = "TOKEN", value_parser = TokenParser, hide_short_help = true)]
    pub token: Option<Token>,
    /// The file with the certificates that the API server's must be signed by
    #[arg(long, value_name = "FILE", value_parser = path(), conflicts_with = "insecure_skip_tls_verify", hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,
    /// Do not check the API server's certificate: whoever is between can read and change everything
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = ArgAction::Set, hide_short_help = true,
    )]
    pub insecure_skip_tls_verify: Option<bool>,
    /// The name that the API server's certificate must have; default: the host in its address
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), hide_short_help = true)]
    pub tls_server_name: Option<String>,
    /// Log in with the client certificate in this file
    #[arg(long, value_name = "FILE", value_parser = path(), hide_short_help = true)]
    pub client_certificate: Option<PathBuf>,
    /// The file with the key of the client certificate
    #[arg(long, value_name = "FILE", value_parser = path(), hide_short_help = true)]
    pub client_key: Option<PathBuf>,
}

/// A bearer token. Its debug output does not contain it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("a token is not empty"),
            text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self(text.to_owned())),
            _ => Err("a token has only ASCII characters, without spaces and control characters"),
        }
    }
}

/// Parses a token. Unlike those of clap's own parsers, the errors do not quote the value.
#[derive(Clone)]
struct TokenParser;

impl TypedValueParser for TokenParser {
    type Value = Token;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Token, clap::Error> {
        value.to_string_lossy().parse().map_err(|why| {
            let text = format!("invalid value for '--token <TOKEN>': {why}\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

/// Parses a path, and refuses an empty one: an option with an unset variable must not mean the
/// default.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.as_os_str().is_empty() {
        true => Err("write a file name"),
        false => Ok(path),
    })
}

fn extra(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write a key and a value, as reason=incident-4711"),
    }
}

/// Parses a duration: a number of seconds, or numbers with units.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "write seconds, or a number with its unit, as 15s or 500ms".to_owned())
}

impl Connection {
    /// Overrides the fields of a kubeconfig's cluster, with kubectl's rules for those that belong
    /// together.
    pub(super) fn override_cluster(&self, cluster: &mut Cluster) {
        if self.server.is_some() || self.tls_server_name.is_some() {
            // The name of the certificate belongs to the server that the option replaces.
            cluster.tls_server_name.clone_from(&self.tls_server_name);
        }
        if let Some(server) = &self.server {
            cluster.server = Some(server.clone());
        }
        if self.insecure_skip_tls_verify == Some(true) || self.certificate_authority.is_some() {
            cluster.insecure_skip_tls_verify = self.insecure_skip_tls_verify;
            cluster.certificate_authority = text(self.certificate_authority.as_deref());
            cluster.certificate_authority_data = None;
        }
    }

    /// Overrides the fields of a kubeconfig's user. A token on the command line replaces every
    /// other way to log in but the client certificate, which is a part of the TLS connection.
    pub(super) fn override_user(&self, user: &mut AuthInfo) {
        if let Some(Token(token)) = &self.token {
            user.token = Some(token.clone().into());
            (user.token_file, user.username, user.password) = (None, None, None);
            (user.exec, user.auth_provider) = (None, None);
        }
        if let Some(file) = &self.client_certificate {
            user.client_certificate = text(Some(file));
            user.client_certificate_data = None;
        }
        if let Some(file) = &self.client_key {
            user.client_key = text(Some(file));
            user.client_key_data = None;
        }
        if let Some(name) = &self.impersonated_user {
            user.impersonate = Some(name.clone());
        }
        if let Some(uid) = &self.impersonated_uid {
            user.impersonate_uid = Some(uid.clone());
        }
        if !self.impersonated_groups.is_empty() {
            user.impersonate_groups = Some(self.impersonated_groups.clone());
        }
        if !self.impersonated_extra.is_empty() {
            let mut extra: HashMap<String, Vec<String>> = HashMap::new();
            for (key, value) in &self.impersonated_extra {
                extra.entry(key.clone()).or_default().push(value.clone());
            }
            user.impersonate_user_extra = Some(extra);
        }
    }

    /// Returns the request timeout; `None` if requests wait without limit.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.request_timeout.filter(|timeout| !timeout.is_zero())
    }
}

fn text(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.to_string_lossy().into_owned())
}
