//! Defines the base answer, which an agent gets for each poll.

use serde::Serialize;

use super::Href;
use crate::ddi::{ActionId, Hrefs, PollInterval};

/// What an agent should do until the next poll. There is at most one link:
///
/// - swupdate obeys a cancellation before a deployment, the Arduino client a deployment before a
///   cancellation, and the RAUC clients obey both.
/// - swupdate installs nothing while it is asked for its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Install the version of an action. The agent requests the deployment again if `revision`
    /// changes.
    Deployment {
        /// Id of the action.
        id: ActionId,
        /// Revision of the deployment, see [`FileHashes::revision`](super::FileHashes::revision).
        revision: u32,
    },
    /// Stop an action.
    Cancel(ActionId),
    /// Send the attributes.
    ConfigData,
}

/// Body of the base answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaseAnswer {
    config: Config,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<Links>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Config {
    polling: Polling,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Polling {
    sleep: PollInterval,
}

/// An object with one field, the name of the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Links {
    DeploymentBase(Href),
    CancelAction(Href),
    ConfigData(Href),
}

impl BaseAnswer {
    /// Returns the answer that asks an agent to poll again after `sleep`.
    #[must_use]
    pub fn new(sleep: PollInterval, link: Option<Link>, hrefs: &Hrefs) -> Self {
        let links = link.map(|link| match link {
            Link::Deployment { id, revision } => {
                Links::DeploymentBase(hrefs.deployment(id, revision).into())
            }
            Link::Cancel(id) => Links::CancelAction(hrefs.cancel(id).into()),
            Link::ConfigData => Links::ConfigData(hrefs.config_data().into()),
        });
        Self { config: Config { polling: Polling { sleep } }, links }
    }
}
