//! Checks the custom resource definitions in the cluster before the controller writes a status. The
//! API server silently drops status fields that an older definition lacks.

use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt};

use crate::api;
use crate::cluster::connection::with_causes;

/// Error that [`check`] returns. The controller does not start after such an error.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// A custom resource definition is missing from the cluster.
    #[error(
        "the cluster has no CustomResourceDefinition {0}: apply those that `clientfleet crds` prints, then start again"
    )]
    Missing(String),
    /// A custom resource definition in the cluster is older than the controller requires.
    #[error("{0}")]
    Older(String),
    /// A custom resource definition cannot be read.
    #[error(
        "CustomResourceDefinition {name} cannot be read: {}{}",
        with_causes(error),
        remedy(error)
    )]
    Unreadable {
        /// Name of the CRD.
        name: String,
        /// Error that the request for the definition returned.
        error: kube::Error,
    },
}

fn remedy(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => {
            "; the controller needs the right to `get` it"
        }
        _ => "",
    }
}

/// Timeout of one request, and minimum time between two warnings while the API server does not
/// respond.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Compares the custom resource definitions in the cluster with the definitions that the controller
/// requires. Retries while the API server does not respond, because it may be starting at the same
/// time as the controller.
///
/// # Errors
///
/// Returns an error if a definition is missing, is older than required, or cannot be read.
pub async fn check(client: &Client) -> Result<(), CrdError> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for own in api::crds() {
        let name = own.name_any();
        let theirs = get_with_retries(&definitions, &name).await?;
        let theirs = theirs.ok_or(CrdError::Missing(name))?;
        if let Some(older) = api::older_than_own(&theirs) {
            return Err(CrdError::Older(older));
        }
    }
    Ok(())
}

/// Returns the definition with the given name, or `None` if the cluster does not have it. Retries
/// after a timeout and after each transient error.
async fn get_with_retries(
    definitions: &Api<CustomResourceDefinition>,
    name: &str,
) -> Result<Option<CustomResourceDefinition>, CrdError> {
    let mut last_logged = Instant::now();
    loop {
        let error = match tokio::time::timeout(REQUEST_TIMEOUT, definitions.get_opt(name)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) if is_transient(&error) => with_causes(&error),
            Ok(Err(error)) => return Err(CrdError::Unreadable { name: name.to_owned(), error }),
            Err(_) => format!("no answer within {REQUEST_TIMEOUT:?}"),
        };
        if last_logged.elapsed() >= REQUEST_TIMEOUT {
            tracing::warn!(error, "waiting for the API server");
            last_logged = Instant::now();
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Returns whether a retry may succeed: the request got no response, or status 408, 429, or 500 and
/// above.
fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 408 | 429 | 500..),
        kube::Error::Service(_) | kube::Error::HyperError(_) => true,
        _ => false,
    }
}
