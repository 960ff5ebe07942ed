//! Reads one policy by name, including the `managedFields` that show which field manager owns each
//! field.

use http::Request;
use kube::Resource;
use kube::api::DynamicObject;

use super::{Cluster, NamespaceScope, failure};
use crate::api::UpgradePolicy;
use crate::api::admission::nearest::nearest;
use crate::cli::Failure;
use crate::cli::terminal::table::printable;
use crate::plan::Parsed;

/// One policy, both as the complete object and in the parsed form that the planning rules use.
#[derive(Debug)]
pub(crate) struct OnePolicy {
    /// Complete object, with annotations and `managedFields`.
    pub whole: DynamicObject,
    /// Parsed object, in the form that the planning rules use.
    pub live: Parsed<UpgradePolicy>,
}

impl OnePolicy {
    /// Parses the JSON text of a policy, as an API server returns it.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { whole: serde_json::from_str(text)?, live: serde_json::from_str(text)? })
    }
}

impl Cluster {
    /// Returns the policy with this name, or `None` if it does not exist.
    pub(crate) async fn find_policy(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<OnePolicy>, Failure> {
        let doing = format!("get upgradepolicy {name} in namespace {namespace}");
        let failed = |error: kube::Error| failure(&doing, &error);
        // Check the names first, because an invalid character such as a slash would change the path
        // of the request.
        if !is_name(name) || !is_name(namespace) {
            return Ok(None);
        }
        let path = UpgradePolicy::url_path(&(), Some(namespace));
        let request = Request::get(format!("{path}/{name}")).body(Vec::new());
        let request = request.map_err(|_| no_such(namespace, name))?;
        match self.client.request_text(request).await {
            Ok(text) => OnePolicy::read(&text)
                .map(Some)
                .map_err(|error| failed(kube::Error::SerdeError(error))),
            Err(kube::Error::Api(status)) if status.code == 404 && is_named(&status) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Returns the policy with this name, or an error if it does not exist.
    pub async fn policy(&self, namespace: &str, name: &str) -> Result<OnePolicy, Failure> {
        if let Some(found) = self.find_policy(namespace, name).await? {
            return Ok(found);
        }
        let reach = NamespaceScope::Namespace(namespace.to_owned());
        // A user who may read one policy need not be able to list all.
        let known = self.policy_metadata(&reach).await.unwrap_or_default();
        let known: Vec<&str> = known.iter().filter_map(|policy| policy.name.as_deref()).collect();
        let mut failure = no_such(namespace, name);
        if let (Some(near), Some(message)) = (nearest(name, &known), failure.messages.first_mut()) {
            *message += &format!("; did you mean {near}?");
        }
        Err(failure)
    }
}

/// Returns whether the text can be the name of an object. The check only approximates the rules for
/// a DNS subdomain.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    !text.is_empty() && text.bytes().all(is_plain) && text.trim_matches('.') == text
}

/// Returns whether a 404 response names an object. If it does not, the resource type itself is
/// missing.
fn is_named(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

fn no_such(namespace: &str, name: &str) -> Failure {
    let (namespace, name) = (printable(namespace), printable(name));
    Failure::new(format!(
        "namespace {namespace} has no UpgradePolicy {name}: kubectl get upol -n {namespace} lists \
         those it has; -n names another namespace"
    ))
}
