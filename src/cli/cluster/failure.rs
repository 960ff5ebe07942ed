//! Builds error messages for failed cluster operations: what failed, why, and what to do.

use kube::Error;
use kube::client::AuthError;

use crate::cli::Failure;
use crate::cli::terminal::table::printable;
use crate::cluster::connection::with_causes;

/// Returns a [`Failure`] for a failed cluster operation. `doing` describes the operation, such as
/// `list clientfleets in namespace clients`.
pub(crate) fn failure(doing: &str, error: &Error) -> Failure {
    Failure::new(sentence(doing, error))
}

/// Returns the error message for a failed operation. `doing` describes the operation, such as `list
/// clientfleets in namespace clients`.
pub(crate) fn sentence(doing: &str, error: &Error) -> String {
    let text = match error {
        Error::Api(status) if status.code == 401 => format!(
            "the cluster does not know who you are, so it did not {doing}: log in again, or name \
             another context with --context"
        ),
        Error::Api(status) if status.is_forbidden() => format!(
            "you may not {doing}: ask whoever administers the cluster for this right ({})",
            status.message
        ),
        // If the API server does not serve the resource, its 404 response names no object.
        Error::Api(status) if status.code == 404 && is_unserved(status) => format!(
            "the cluster does not serve clientfleet.dev, so it cannot {doing}: install the \
             definitions with `clientfleet crds | kubectl apply --server-side -f -`"
        ),
        Error::Api(status) if status.message.is_empty() => {
            format!("the cluster did not {doing}: {} ({})", status.reason, status.code)
        }
        Error::Api(status) => format!("the cluster did not {doing}: {}", status.message),
        Error::Auth(AuthError::AuthExec(why)) => format!("no way to log in to {doing}: {why}"),
        Error::Auth(error) => format!("no way to log in to {doing}: {}", with_causes(error)),
        Error::SerdeError(error) => format!("the answer to {doing} cannot be read: {error}"),
        other => format!(
            "the cluster cannot be reached to {doing}: {}; is the context the right one, and the \
             API server up?",
            with_causes(other)
        ),
    };
    printable(&text).into_owned()
}

fn is_unserved(status: &kube::core::Status) -> bool {
    let named = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
    !named && !status.message.starts_with("namespaces ")
}
