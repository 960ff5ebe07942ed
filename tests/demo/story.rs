//! Runs the steps of the demo: prints the output of kubectl, and follows a client from
//! `Distributing` through `RestartRequired` to `UpToDate`.

use std::time::Duration;

use futures::StreamExt;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, WatchEvent,
    WatchParams,
};
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Error, Process};

pub const NAMESPACE: &str = "clients";

const WAIT_TIMEOUT: Duration = Duration::from_secs(180);

/// Go template that makes kubectl print a status table of a fleet's clients.
const CLIENTS: &str = r#"{{printf "%-14s %-40s %-16s %-16s %-16s %s\n" "COMPUTER" "IP ADDRESS" "CURRENT VERSION" "UPGRADE STATUS" "TARGET" "WHY"}}{{range .status.clients}}{{printf "%-14s %-40s %-16s %-16s %-16s %s (%s)\n" (or .computer "-") (or .ip "-") (or .version "-") .state (or .targetVersion "-") .reason (or .policy "no policy")}}{{end}}"#;

/// Connection to the control plane, through kubectl and API clients for the fleets and policies.
pub struct Story<'a> {
    plane: &'a ControlPlane,
    fleets: Api<DynamicObject>,
    policies: Api<DynamicObject>,
}

struct Canary {
    fleet: String,
    index: usize,
    name: String,
    target: String,
}

impl<'a> Story<'a> {
    pub fn of(plane: &'a ControlPlane) -> Result<Self, Error> {
        let client = plane.client()?;
        let api = |kind: &str| {
            let kind = GroupVersionKind::gvk("clientfleet.dev", "v1alpha1", kind);
            let plural = format!("{}s", kind.kind.to_lowercase()).replace("policys", "policies");
            let resource = ApiResource::from_gvk_with_plural(&kind, &plural);
            Api::namespaced_with(client.clone(), NAMESPACE, &resource)
        };
        Ok(Self { plane, fleets: api("ClientFleet"), policies: api("UpgradePolicy") })
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Result<(), Error> {
        let printed = self.plane.kubectl_ok(arguments, "")?;
        for line in printed.lines() {
            println!("  {line}");
        }
        Ok(())
    }

    pub fn show_clients(&self, fleet: &str) -> Result<(), Error> {
        self.kubectl(&[
            "get",
            "clf",
            fleet,
            "-n",
            NAMESPACE,
            "-o",
            &format!("go-template={CLIENTS}"),
        ])
    }

    /// Waits until the controller has reconciled the current generation of every policy and fleet.
    pub async fn until_in_force(&self, controller: &mut Process) -> Result<(), Error> {
        for api in [&self.policies, &self.fleets] {
            let objects =
                api.list(&ListParams::default()).await.map_err(Error::doing("list objects"))?;
            for object in objects {
                let name = object.metadata.name.unwrap_or_default();
                let taken_up = |object: &DynamicObject| {
                    object.data.pointer("/status/observedGeneration").and_then(Value::as_i64)
                        == object.metadata.generation
                };
                self.watch(api, &name, taken_up, controller).await?;
            }
        }
        Ok(())
    }

    /// Simulates the upgrade of a client in the canary ring: reports a staged version, and then the
    /// restart. Prints the client's state before and after each report.
    pub async fn upgrade_a_canary(&self, controller: &mut Process) -> Result<(), Error> {
        let canary = self.find_canary().await?;
        let Canary { fleet, name, target, .. } = &canary;
        self.show(&canary, "Distributing", controller).await?;

        println!("  ... {name} of fleet {fleet} installs {target}, and reports that it is staged");
        self.report(&canary, json!([("add", "stagedVersion", target)])).await?;
        self.show(&canary, "RestartRequired", controller).await?;

        println!("  ... {name} restarts, and reports {target} as its version");
        let restarted = json!([("add", "version", target), ("remove", "stagedVersion", target)]);
        self.report(&canary, restarted).await?;
        self.show(&canary, "UpToDate", controller).await
    }

    async fn find_canary(&self) -> Result<Canary, Error> {
        let fleets =
            self.fleets.list(&ListParams::default()).await.map_err(Error::doing("list fleets"))?;
        for fleet in fleets {
            let clients = fleet.data.pointer("/status/clients").and_then(Value::as_array);
            let offered =
                |client: &&Value| client["state"] == "Distributing" && client["policy"] == "canary";
            let Some(client) = clients.and_then(|clients| clients.iter().find(offered)) else {
                continue;
            };
            let text = |field: &str| client[field].as_str().unwrap_or_default().to_owned();
            let written = fleet.data.pointer("/spec/clients").and_then(Value::as_array);
            let place =
                |clients: &Vec<Value>| clients.iter().position(|c| c["name"] == client["name"]);
            return Ok(Canary {
                index: written.and_then(place).unwrap_or_default(),
                name: text("name"),
                target: text("targetVersion"),
                fleet: fleet.metadata.name.unwrap_or_default(),
            });
        }
        Err(Error::new("no client of the canary ring is being offered an upgrade"))
    }

    /// Changes the reported values of a client with a JSON Patch, as a check-in service does. The
    /// patch fails if the client at `canary.index` does not have the name `canary.name`.
    async fn report(&self, canary: &Canary, changes: Value) -> Result<(), Error> {
        let client = format!("/spec/clients/{}", canary.index);
        let mut patch =
            vec![json!({"op": "test", "path": format!("{client}/name"), "value": canary.name})];
        for change in changes.as_array().into_iter().flatten() {
            let path = format!("{client}/reported/{}", change[1].as_str().unwrap_or_default());
            patch.push(json!({"op": change[0], "path": path, "value": change[2]}));
        }
        let patch =
            serde_json::from_value(Value::Array(patch)).map_err(Error::doing("make a patch"))?;
        let patched = self
            .fleets
            .patch(&canary.fleet, &PatchParams::default(), &Patch::Json::<()>(patch))
            .await;
        patched.map(|_| ()).map_err(Error::doing("report as the client"))
    }

    async fn show(
        &self,
        canary: &Canary,
        state: &str,
        controller: &mut Process,
    ) -> Result<(), Error> {
        let entry = format!("/status/clients/{}", canary.index);
        let arrived = |fleet: &DynamicObject| {
            fleet.data.pointer(&format!("{entry}/state")) == Some(&json!(state))
        };
        let fleet = self.watch(&self.fleets, &canary.fleet, arrived, controller).await?;
        let text = |field: &str| {
            fleet
                .data
                .pointer(&format!("{entry}/{field}"))
                .and_then(Value::as_str)
                .unwrap_or("-")
                .to_owned()
        };
        println!(
            "  {:<16} runs {}, target {}: {} ({})",
            text("state"),
            text("version"),
            text("targetVersion"),
            text("reason"),
            text("policy"),
        );
        Ok(())
    }

    /// Watches an object until `arrived` returns true for it, and returns the object. If the watch
    /// times out, the error contains the end of the controller's log.
    async fn watch(
        &self,
        api: &Api<DynamicObject>,
        name: &str,
        arrived: impl Fn(&DynamicObject) -> bool,
        controller: &mut Process,
    ) -> Result<DynamicObject, Error> {
        let look = async {
            let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
            let events =
                api.watch(&parameters, "0").await.map_err(Error::doing("watch an object"))?;
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                match event.map_err(Error::doing("watch an object"))? {
                    WatchEvent::Added(object) | WatchEvent::Modified(object)
                        if arrived(&object) =>
                    {
                        return Ok(object);
                    }
                    _ => {}
                }
            }
            Err(Error::new(format!("the watch of {name} ended")))
        };
        match tokio::time::timeout(WAIT_TIMEOUT, look).await {
            Ok(seen) => seen,
            Err(_) => {
                let report = controller.report();
                Err(Error::new(format!(
                    "{name} is not as expected after {WAIT_TIMEOUT:?}; {report}"
                )))
            }
        }
    }
}
