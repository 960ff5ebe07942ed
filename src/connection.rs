//! How the program gets at a cluster: kubeconfig, context, or the pod's own account. Both shells
//! connect by it; what they ask the cluster is theirs.

use std::error::Error;
use std::path::PathBuf;

use http::header::{HeaderValue, USER_AGENT};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

/// What the program calls itself before an API server.
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
    /// Where the cluster is, as whom to ask it, and the namespace that goes without saying.
    ///
    /// # Errors
    /// A sentence on why there is none.
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
        // Whoever looks at `managedFields` or an audit log finds the program by its name.
        config.headers.push((USER_AGENT, HeaderValue::from_static(NAME_AND_VERSION)));
        Ok(config)
    }

    async fn read(&self) -> Result<Config, Box<dyn Error + Send + Sync>> {
        let options =
            KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Ok(match &self.kubeconfig {
            Some(file) => {
                // Not by its text: the files that it names are found from its own place.
                Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?
            }
            None if options.context.is_some() => Config::from_kubeconfig(&options).await?,
            None => Config::infer().await?,
        })
    }
}

/// On one line, and a file by its name alone.
fn in_short(error: &(dyn Error + Send + Sync + 'static)) -> String {
    if let Some(KubeconfigError::ReadConfig(why, file)) = error.downcast_ref() {
        return format!("{}: {why}", file.display());
    }
    with_causes(error).lines().next().unwrap_or_default().to_owned()
}

/// An error with what caused it: that of a connection says no more than that there is one.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}
