//! Finds out whether a namespace exists in which nothing was found.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;

use super::{Cluster, NamespaceScope};
use crate::api::admission::nearest::nearest;
use crate::cli::Failure;
use crate::cli::terminal::table::printable;

impl Cluster {
    /// Returns an error if the selected namespace does not exist. Returns `Ok` if the user may not
    /// read namespaces, because then that is not known.
    pub(crate) async fn namespace_exists(&self, reach: &NamespaceScope) -> Result<(), Failure> {
        let NamespaceScope::Namespace(name) = reach else { return Ok(()) };
        let api: Api<Namespace> = Api::all(self.client.clone());
        if !matches!(api.get_metadata_opt(name).await, Ok(None)) {
            return Ok(());
        }
        let known = api.list_metadata(&ListParams::default()).await.map(|list| list.items);
        let known: Vec<String> =
            known.into_iter().flatten().filter_map(|known| known.metadata.name).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let near = nearest(name, &known).map(|near| format!("; did you mean {near}?"));
        let near = near.unwrap_or_else(|| ": -n names another, -A lists all".to_owned());
        Err(Failure::new(format!("there is no namespace {}{near}", printable(name))))
    }
}
