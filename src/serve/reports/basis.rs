//! The version of a fleet from which a patch is computed: as the watch has shown it, or as the API
//! server has returned it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, Reported};
use crate::checkin::fleet::DeliveryFleet;

/// A version of a fleet.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The resourceVersion of the fleet.
    pub version: Option<String>,
    /// Unique id of the fleet, which differs if it was deleted and created again.
    pub uid: Option<String>,
    /// Generation of the spec.
    pub generation: Option<i64>,
    clients: Clients,
}

#[derive(Clone, Debug)]
enum Clients {
    Seen(Arc<ClientFleetSpec>),
    Fetched(Vec<FetchedClient>),
}

#[derive(Clone, Debug)]
struct FetchedClient {
    client: Client,
    /// The client as the API server returned it, with fields that this release does not know.
    value: Value,
}

/// A fleet in an answer of the API server.
#[derive(Deserialize)]
struct FetchedFleet {
    metadata: FetchedMetadata,
    #[serde(default)]
    spec: FetchedSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FetchedMetadata {
    resource_version: Option<String>,
    uid: Option<String>,
    generation: Option<i64>,
}

#[derive(Default, Deserialize)]
struct FetchedSpec {
    #[serde(default)]
    clients: Option<Vec<Value>>,
}

/// A client of a fleet, for a patch.
#[derive(Clone, Copy, Debug)]
pub(super) struct BasisClient<'a> {
    pub(super) name: &'a Text,
    pub(super) reported: Option<&'a Reported>,
}

impl Basis {
    /// Returns the version that the watch has shown, or `None` if its spec cannot be read.
    #[must_use]
    pub fn seen(fleet: &DeliveryFleet) -> Option<Self> {
        Some(Self {
            version: fleet.metadata.resource_version.clone(),
            uid: fleet.metadata.uid.clone(),
            generation: fleet.metadata.generation,
            clients: Clients::Seen(Arc::clone(fleet.spec.as_ref()?)),
        })
    }

    /// Reads the version that the API server has returned.
    ///
    /// # Errors
    ///
    /// Returns an error if the answer is no fleet, or if a client in it cannot be read.
    pub fn fetched(answer: &str) -> Result<Self, serde_json::Error> {
        let FetchedFleet { metadata, spec } = serde_json::from_str(answer)?;
        let clients = spec.clients.unwrap_or_default().into_iter();
        let clients = clients.map(|value| {
            let client = Client::deserialize(&value)?;
            Ok(FetchedClient { client, value })
        });
        Ok(Self {
            version: metadata.resource_version,
            uid: metadata.uid,
            generation: metadata.generation,
            clients: Clients::Fetched(clients.collect::<Result<_, serde_json::Error>>()?),
        })
    }

    /// Returns the clients in the order of the spec.
    pub(super) fn clients(&self) -> impl Iterator<Item = BasisClient<'_>> {
        let (seen, fetched) = match &self.clients {
            Clients::Seen(spec) => (spec.clients.as_deref().unwrap_or_default(), [].as_slice()),
            Clients::Fetched(fetched) => ([].as_slice(), fetched.as_slice()),
        };
        let clients = seen.iter().chain(fetched.iter().map(|fetched| &fetched.client));
        clients
            .map(|Client { name, reported, .. }| BasisClient { name, reported: reported.as_ref() })
    }

    /// Returns the whole client at this index as the API server stores it. For a version that the
    /// watch has shown, fields that this release does not know are missing.
    pub(super) fn value(&self, index: usize) -> Option<Value> {
        match &self.clients {
            Clients::Seen(spec) => serde_json::to_value(spec.clients.as_deref()?.get(index)?).ok(),
            Clients::Fetched(fetched) => fetched.get(index).map(|fetched| fetched.value.clone()),
        }
    }
}
