//! A look at the cluster's custom resource definitions before anything is written: under an older
//! schema the API server would silently drop fields of the status.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt};

use crate::api;
use crate::connection::with_causes;

/// Why the cluster is not fit for this controller.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// A definition is missing.
    #[error(
        "the cluster has no CustomResourceDefinition {0}: apply those that `clientfleet crds` prints, then start again"
    )]
    Missing(String),
    /// A definition is older than the controller's own.
    #[error("{0}")]
    Older(String),
    /// The definitions cannot be read.
    #[error(
        "CustomResourceDefinition {name} cannot be read: {}{}",
        with_causes(error),
        mend(error)
    )]
    Unreadable {
        /// Its name.
        name: String,
        /// Why not.
        error: kube::Error,
    },
}

fn mend(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => {
            "; the controller needs the right to `get` it"
        }
        _ => "",
    }
}

/// Compares the cluster's definitions with the controller's own.
///
/// # Errors
/// When one is missing, older, or cannot be read.
pub async fn check(client: &Client) -> Result<(), Unfit> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for own in api::crds() {
        let name = own.name_any();
        let theirs = definitions.get_opt(&name).await;
        let theirs = theirs.map_err(|error| Unfit::Unreadable { name: name.clone(), error })?;
        let theirs = theirs.ok_or(Unfit::Missing(name))?;
        if let Some(older) = api::older_than_own(&theirs) {
            return Err(Unfit::Older(older));
        }
    }
    Ok(())
}
