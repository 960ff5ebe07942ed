//! An estate of as many fleets as a bench asks for, and the policy that is turned. Knows nothing of what
//! is measured.

// Each bench uses a part of it.
#![allow(dead_code)]

use std::collections::HashSet;

use clientfleet::api;
use clientfleet::api::fleet::{Client as FleetClient, ClientFleetSpec, Reported};
use clientfleet::api::policy::{Mode, Upgrade, UpgradePolicySpec};
use clientfleet::api::{ClientFleet, UpgradePolicy};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::Failure;

/// In each fleet.
pub const CLIENTS: usize = 250;
const POLICY: &str = "all";

pub struct Estate {
    pub namespace: &'static str,
    pub fleets: Api<ClientFleet>,
    pub count: usize,
    policies: Api<UpgradePolicy>,
}

/// Installs the custom resources.
pub async fn install(client: &Client) -> Result<(), Failure> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in api::crds() {
        crds.create(&PostParams::default(), &crd).await?;
        await_condition(crds.clone(), &crd.name_any(), conditions::is_crd_established()).await?;
    }
    Ok(())
}

impl Estate {
    /// So many fleets in a namespace of their own.
    pub async fn make(
        client: &Client,
        namespace: &'static str,
        count: usize,
    ) -> Result<Self, Failure> {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        let fleets: Api<ClientFleet> = Api::namespaced(client.clone(), namespace);
        futures::stream::iter(0..count)
            .map(|number| {
                let fleets = &fleets;
                async move { fleets.create(&PostParams::default(), &fleet(number)).await }
            })
            .buffer_unordered(8)
            .try_collect::<Vec<_>>()
            .await?;
        let policies = Api::namespaced(client.clone(), namespace);
        Ok(Self { namespace, fleets, count, policies })
    }

    /// Changes the policy so that every client's state becomes another, and returns when the last
    /// status says so: that of each fleet and that of the policy.
    pub async fn turn(&self, direction: usize) -> Result<(), Failure> {
        let start = self.fleets.list_metadata(&ListParams::default().limit(1)).await?;
        let start = start.metadata.resource_version.unwrap_or_default();
        let upgrade = match direction {
            0 => Upgrade { mode: Mode::AutoUpgrade, retry_after_hours: 24, ..Upgrade::default() },
            _ => Upgrade { mode: Mode::NoUpgrade, retry_after_hours: 24, ..Upgrade::default() },
        };
        let policy =
            UpgradePolicy::new(POLICY, UpgradePolicySpec { upgrade, ..Default::default() });
        let patch = PatchParams::apply("bench").force();
        let policy = self.policies.patch(POLICY, &patch, &Patch::Apply(&policy)).await?;
        self.until_all_written(&start).await?;
        let generation = policy.metadata.generation;
        let in_force = move |policy: Option<&UpgradePolicy>| {
            let status = policy.and_then(|policy| policy.status.as_ref());
            status.is_some_and(|status| status.observed_generation == generation)
        };
        await_condition(self.policies.clone(), POLICY, in_force).await?;
        Ok(())
    }

    /// Returns when each fleet has been written since `version`. Only the metadata is watched, so that
    /// looking costs little of what is measured.
    async fn until_all_written(&self, version: &str) -> Result<(), Failure> {
        let mut missing: HashSet<String> = (0..self.count).map(name).collect();
        let watch = WatchParams::default().timeout(290);
        let events = self.fleets.watch_metadata(&watch, version).await?;
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            if let WatchEvent::Modified(PartialObjectMeta { metadata, .. }) = event? {
                missing.remove(&metadata.name.unwrap_or_default());
            }
            if missing.is_empty() {
                return Ok(());
            }
        }
        Err(format!("{} fleets were not written", missing.len()).into())
    }

    /// Returns when every fleet's clients are all in a state.
    pub async fn until_all_say(&self, state: &'static str) -> Result<(), Failure> {
        for number in 0..self.count {
            let says = move |fleet: Option<&ClientFleet>| {
                let status = fleet.and_then(|fleet| fleet.status.as_ref());
                let rows = status.and_then(|status| status.clients.as_ref());
                rows.is_some_and(|rows| rows.iter().all(|row| row.state == state))
            };
            await_condition(self.fleets.clone(), &name(number), says).await?;
        }
        Ok(())
    }

    /// The status of every fleet, by number.
    pub async fn statuses(&self) -> Result<Vec<Value>, Failure> {
        let mut statuses = Vec::new();
        for number in 0..self.count {
            let fleet = self.fleets.get(&name(number)).await?;
            statuses.push(serde_json::to_value(fleet.status)?);
        }
        Ok(statuses)
    }

    /// One client reports another version, and its status says so.
    pub async fn report_one(&self) -> Result<(), Failure> {
        let version = "3.59.128.0";
        let patch = json!([{"op": "replace", "path": "/spec/clients/7/reported/version", "value": version}]);
        let patch = Patch::Json::<()>(serde_json::from_value(patch)?);
        self.fleets.patch(&name(self.count / 2), &PatchParams::default(), &patch).await?;
        let says = |fleet: Option<&ClientFleet>| {
            let status = fleet.and_then(|fleet| fleet.status.as_ref());
            let row = status.and_then(|status| status.clients.as_ref()?.get(7));
            row.is_some_and(|row| row.version.as_deref() == Some("3.59.128.0"))
        };
        await_condition(self.fleets.clone(), &name(self.count / 2), says).await?;
        Ok(())
    }
}

pub fn name(number: usize) -> String {
    format!("fleet-{number:03}")
}

fn fleet(number: usize) -> ClientFleet {
    let client = |index: usize| FleetClient {
        name: format!("LT-{number:03}-{index:03}").into(),
        reported: Some(Reported {
            computer: Some(format!("LT-{number:03}-{index:03}.corp.example").into()),
            ip: Some(format!("10.{}.{}.{}", number / 256, number % 256, index).into()),
            last_user: Some(format!("CORP\\user{:05}", number * CLIENTS + index).into()),
            version: Some("3.59.127.0".into()),
            last_seen: Some("2026-11-20T08:15:00Z".into()),
            ..Reported::default()
        }),
        ..FleetClient::default()
    };
    let spec = ClientFleetSpec {
        package_version: Some("3.59.228.0".into()),
        time_zone: Some("Europe/Berlin".into()),
        clients: Some((0..CLIENTS).map(client).collect()),
        ..ClientFleetSpec::default()
    };
    ClientFleet::new(&name(number), spec)
}
