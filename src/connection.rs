//! Builds the configuration of a cluster connection, from a kubeconfig and context or from the
//! pod's service account. Does not contact the API server.

use std::error::Error;
use std::path::PathBuf;

use http::header::{HeaderValue, USER_AGENT};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

/// User agent of the program in requests to an API server.
const NAME_AND_VERSION: &str = concat!("clientfleet/", env!("CARGO_PKG_VERSION"));

/// Which cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Connection {
    /// The kubeconfig file; default: $KUBECONFIG, else ~/.kube/config, else the pod's own account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; default: its current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

impl Connection {
    /// Returns the configuration: the cluster's address, the credentials and the default namespace.
    ///
    /// # Errors
    ///
    /// Returns an error message if no usable configuration is found.
    pub async fn config(&self) -> Result<Config, String> {
        let file = self.kubeconfig.as_ref().map(|file| file.display().to_string());
        let mut config = self.read().await.map_err(|error| {
            let error = in_short(error.as_ref());
            let unnamed = file.filter(|file| !error.contains(file.as_str()));
            let place = unnamed.map_or(String::new(), |file| format!("{file}: "));
            format!(
                "no cluster to connect to: {place}{error}; name a kubeconfig file with \
                 --kubeconfig or KUBECONFIG, and one of its contexts with --context"
            )
        })?;
        // The user agent identifies the program in `managedFields` and audit logs.
        config.headers.push((USER_AGENT, HeaderValue::from_static(NAME_AND_VERSION)));
        Ok(config)
    }

    async fn read(&self) -> Result<Config, Box<dyn Error + Send + Sync>> {
        let options =
            KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Ok(match &self.kubeconfig {
            Some(file) => {
                // Pass the path to kube, because kube resolves relative paths in a kubeconfig from
                // the directory of the file.
                Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?
            }
            None if options.context.is_some() => Config::from_kubeconfig(&options).await?,
            None => Config::infer().await?,
        })
    }
}

/// Formats an error as one line. If a kubeconfig cannot be read, the line contains its path and the
/// reason.
fn in_short(error: &(dyn Error + Send + Sync + 'static)) -> String {
    if let Some(KubeconfigError::ReadConfig(why, file)) = error.downcast_ref() {
        return format!("{}: {why}", file.display());
    }
    with_causes(error).lines().next().unwrap_or_default().to_owned()
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
