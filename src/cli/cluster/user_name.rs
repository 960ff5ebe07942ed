//! Asks the API server for the name of the user. A command that records who made a change must not
//! fail or wait for long because of this name.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::PostParams;
use kube::{Api, Client, Error};

use super::Cluster;
use crate::cli::terminal::table::printable;
use crate::cluster::connection::with_causes;

/// Maximum time that the API server may take to return the name.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(2);

/// The name of the user, or why it is not known, once the API server has returned it. The request
/// runs while the command does other work, and ends within [`REVIEW_TIMEOUT`].
pub(crate) type UserName = Shared<BoxFuture<'static, Result<String, String>>>;

impl Cluster {
    /// Starts to ask for the name of the user.
    pub(crate) fn user_name(&self) -> UserName {
        let running = tokio::spawn(review(self.client.clone()));
        running.map(|name| name.unwrap_or_else(|error| Err(error.to_string()))).boxed().shared()
    }
}

async fn review(client: Client) -> Result<String, String> {
    let api: Api<SelfSubjectReview> = Api::all(client);
    let (parameters, review) = (PostParams::default(), SelfSubjectReview::default());
    let answer = api.create(&parameters, &review);
    let review = match tokio::time::timeout(REVIEW_TIMEOUT, answer).await {
        Ok(Ok(review)) => review,
        Ok(Err(error)) => return Err(printable(&why(&error)).into_owned()),
        Err(_) => {
            return Err(format!(
                "the API server did not say within {REVIEW_TIMEOUT:?} who you are"
            ));
        }
    };
    let name = review.status.and_then(|status| status.user_info?.username);
    name.filter(|name| !name.trim().is_empty())
        .ok_or_else(|| "the API server has no name for you".to_owned())
}

fn why(error: &Error) -> String {
    match error {
        Error::Api(status) if matches!(status.code, 404 | 405) => {
            "the API server does not serve selfsubjectreviews of authentication.k8s.io/v1"
                .to_owned()
        }
        Error::Api(status) if status.is_forbidden() => {
            format!("you may not ask the API server who you are ({})", status.message)
        }
        Error::Api(status) => {
            format!("the API server did not say who you are: {} ({})", status.message, status.code)
        }
        other => format!("the API server did not say who you are: {}", with_causes(other)),
    }
}
