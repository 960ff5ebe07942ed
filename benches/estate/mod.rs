//! Creates an estate with any number of fleets, and writes its policies and its clients' reports.
//! This module measures nothing.

// Each benchmark uses only a part of this module.
#![allow(dead_code)]

use std::ops::Range;

use clientfleet::api;
use clientfleet::api::fleet::{Client as FleetClient, ClientFleetSpec, Reported};
use clientfleet::api::policy::{Mode, Upgrade, UpgradePolicySpec};
use clientfleet::api::{ClientFleet, UpgradePolicy};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::Failure;

/// Number of clients in each fleet.
pub const CLIENTS: usize = 250;
/// Version that all clients run initially.
pub const OLD: &str = "3.59.127.0";
/// Package version of all fleets.
pub const NEW: &str = "3.59.228.0";
/// Interval between the fleets of the ring `canary`: every fourth fleet belongs to this ring.
pub const CANARY: usize = 4;
pub const DEPARTMENTS: [&str; 5] = ["finance", "sales", "research", "office", "kiosk"];
/// Prefix of the fleet names, before the number of the fleet.
const PREFIX: &str = "fleet-";
/// Number of concurrent requests during setup, when nothing is measured.
const AT_ONCE: usize = 8;

pub struct Estate {
    pub namespace: &'static str,
    pub fleets: Api<ClientFleet>,
    pub policies: Api<UpgradePolicy>,
    /// Number of fleets.
    pub count: usize,
}

/// Installs the custom resource definitions.
pub async fn install(client: &Client) -> Result<(), Failure> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in api::crds() {
        crds.create(&PostParams::default(), &crd).await?;
        await_condition(crds.clone(), &crd.name_any(), conditions::is_crd_established()).await?;
    }
    Ok(())
}

impl Estate {
    /// Creates a namespace with `count` fleets.
    pub async fn make(
        client: &Client,
        namespace: &'static str,
        count: usize,
    ) -> Result<Self, Failure> {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        let fleets = Api::namespaced(client.clone(), namespace);
        let policies = Api::namespaced(client.clone(), namespace);
        let mut estate = Self { namespace, fleets, policies, count: 0 };
        estate.grow(count).await?;
        Ok(estate)
    }

    /// Adds fleets until the estate has `count` fleets.
    pub async fn grow(&mut self, count: usize) -> Result<(), Failure> {
        let create = |number| {
            let fleets = &self.fleets;
            async move { fleets.create(&PostParams::default(), &fleet(number)).await }
        };
        let made = futures::stream::iter(self.count..count).map(create).buffer_unordered(AT_ONCE);
        made.try_for_each(|_| async { Ok(()) }).await?;
        self.count = count;
        Ok(())
    }

    /// Returns the current resourceVersion of the list of fleets, from which a watch can start.
    pub async fn version(&self) -> Result<String, Failure> {
        let now = self.fleets.list_metadata(&ListParams::default().limit(1)).await?;
        now.metadata.resource_version.ok_or_else(|| "a list without a version".into())
    }

    pub fn clients(&self) -> usize {
        self.count * CLIENTS
    }

    /// Writes a policy, and returns its generation.
    pub async fn set(&self, name: &str, spec: UpgradePolicySpec) -> Result<i64, Failure> {
        let policy = UpgradePolicy::new(name, spec);
        let patch = PatchParams::apply("bench").force();
        let policy = self.policies.patch(name, &patch, &Patch::Apply(&policy)).await?;
        policy.metadata.generation.ok_or_else(|| "a policy without a generation".into())
    }

    /// Waits until the policy's `observedGeneration` is `generation`. The controller writes the
    /// status of a policy only after the statuses of all fleets.
    pub async fn in_force(&self, name: &str, generation: i64) -> Result<(), Failure> {
        let in_force = move |policy: Option<&UpgradePolicy>| {
            let status = policy.and_then(|policy| policy.status.as_ref());
            status.is_some_and(|status| status.observed_generation == Some(generation))
        };
        await_condition(self.policies.clone(), name, in_force).await?;
        Ok(())
    }

    /// Returns the status of every fleet, indexed by the number of the fleet.
    pub async fn statuses(&self) -> Result<Vec<Value>, Failure> {
        let mut statuses = vec![Value::Null; self.count];
        // Small pages limit the load on the API server.
        let mut params = ListParams::default().limit(100);
        loop {
            let page = self.fleets.list(&params).await?;
            for fleet in page.items {
                let number: usize = fleet.name_any().trim_start_matches(PREFIX).parse()?;
                statuses[number] = serde_json::to_value(fleet.status)?;
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(statuses),
            }
        }
    }

    /// Returns the resourceVersion of each fleet, indexed by the number of the fleet.
    pub async fn resource_versions(&self) -> Result<Vec<String>, Failure> {
        let mut versions = vec![String::new(); self.count];
        for fleet in self.fleets.list_metadata(&ListParams::default()).await?.items {
            let number: usize = fleet.name_any().trim_start_matches(PREFIX).parse()?;
            versions[number] = fleet.resource_version().ok_or("a fleet without a version")?;
        }
        Ok(versions)
    }

    /// Reports a version for all clients of a fleet in one PUT. A PUT costs the API server a third
    /// less than a patch.
    pub async fn report_all(
        &self,
        number: usize,
        resource_version: &str,
        version: &str,
    ) -> Result<(), Failure> {
        let mut fleet = fleet(number);
        fleet.metadata.resource_version = Some(resource_version.to_owned());
        for client in fleet.spec.clients.iter_mut().flatten() {
            if let Some(reported) = &mut client.reported {
                reported.version = Some(version.into());
            }
        }
        self.fleets.replace(&name(number), &PostParams::default(), &fleet).await?;
        Ok(())
    }

    /// Reports a version for some clients of a fleet, in one write. Returns the fleet's new
    /// generation.
    pub async fn report(
        &self,
        number: usize,
        clients: Range<usize>,
        version: &str,
    ) -> Result<i64, Failure> {
        let one = |index: usize| {
            let path = format!("/spec/clients/{index}/reported/version");
            json!({"op": "replace", "path": path, "value": version})
        };
        let patch = serde_json::from_value(Value::Array(clients.map(one).collect()))?;
        let patch = Patch::Json::<()>(patch);
        let params = PatchParams::default();
        let written = self.fleets.patch_metadata(&name(number), &params, &patch).await?;
        written.metadata.generation.ok_or_else(|| "a fleet without a generation".into())
    }
}

/// Returns the spec of a policy that governs every client.
pub fn everybody(mode: Mode) -> UpgradePolicySpec {
    let upgrade = Upgrade { mode, ..Upgrade::default() };
    UpgradePolicySpec { upgrade, ..UpgradePolicySpec::default() }
}

pub fn name(number: usize) -> String {
    format!("{PREFIX}{number:03}")
}

fn fleet(number: usize) -> ClientFleet {
    let client = |index: usize| FleetClient {
        name: format!("LT-{number:03}-{index:03}").into(),
        labels: [("department", DEPARTMENTS[index % DEPARTMENTS.len()])].into_iter().collect(),
        reported: Some(Reported {
            computer: Some(format!("LT-{number:03}-{index:03}.corp.example").into()),
            ip: Some(format!("10.{}.{}.{}", number / 256, number % 256, index).into()),
            last_user: Some(format!("CORP\\user{:05}", number * CLIENTS + index).into()),
            version: Some(OLD.into()),
            last_seen: Some("2026-11-20T08:15:00Z".into()),
            ..Reported::default()
        }),
        ..FleetClient::default()
    };
    let spec = ClientFleetSpec {
        package_version: Some(NEW.into()),
        time_zone: Some("Europe/Berlin".into()),
        clients: Some((0..CLIENTS).map(client).collect()),
        ..ClientFleetSpec::default()
    };
    let mut fleet = ClientFleet::new(&name(number), spec);
    let ring = if number.is_multiple_of(CANARY) { "canary" } else { "broad" };
    fleet.labels_mut().insert("ring".to_owned(), ring.to_owned());
    fleet
}
