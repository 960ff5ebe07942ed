//! Lists the metadata of policies, with the annotations and `managedFields` that the list of whole
//! policies leaves out.

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, ObjectMeta};

use super::{Cluster, NamespaceScope, PAGE_SIZE, failure, reading};
use crate::api::UpgradePolicy;
use crate::cli::Failure;

impl Cluster {
    /// Lists the metadata of all policies in the selected namespaces.
    pub(crate) async fn policy_metadata(
        &self,
        reach: &NamespaceScope,
    ) -> Result<Vec<ObjectMeta>, Failure> {
        let (client, kind) = (self.client.clone(), ApiResource::erase::<UpgradePolicy>(&()));
        let api: Api<DynamicObject> = match reach {
            NamespaceScope::Namespace(name) => Api::namespaced_with(client, name, &kind),
            NamespaceScope::All => Api::all_with(client, &kind),
        };
        let mut parameters = ListParams::default().limit(PAGE_SIZE);
        let mut listed = Vec::new();
        loop {
            let page = match api.list_metadata(&parameters).await {
                Ok(page) => page,
                // 410 Gone: the continue token expired; restart the list without paging.
                Err(kube::Error::Api(status)) if status.code == 410 && !listed.is_empty() => {
                    listed.clear();
                    parameters = ListParams::default();
                    continue;
                }
                Err(error) => return Err(failure(&reading::<UpgradePolicy>(reach), &error)),
            };
            listed.extend(page.items.into_iter().map(|policy| policy.metadata));
            parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if parameters.continue_token.is_none() {
                return Ok(listed);
            }
        }
    }
}
