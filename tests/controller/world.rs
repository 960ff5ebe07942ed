//! A namespace of its own with a controller that runs in this process, on a clock that the test
//! sets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use clientfleet::api::fleet::ClientStatus;
use clientfleet::api::{
    ClientFleet, ClientFleetStatus, UpgradePolicy, UpgradePolicyStatus, crds_yaml,
};
use clientfleet::controller::audit::TARGET;
use clientfleet::controller::audit::stream::{Lines, Stream};
use clientfleet::controller::clock::{Clock, ManualClock};
use clientfleet::controller::metrics::Metrics;
use clientfleet::controller::{Failure, Options, run};
use clientfleet::plan::{Cached, Estate, Kind, settle};
use clientfleet::values::Timestamp;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::control_plane::{ControlPlane, shared};
use crate::recording_client::Wire;

/// Tuesday noon in Berlin.
pub const NOON: &str = "2026-11-24T11:00:00Z";

/// How long anything may take that happens by itself: far more than it does, on a busy machine too.
const WAIT_TIMEOUT: Duration = Duration::from_secs(180);

/// The pauses between two looks.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Looks until what is looked for is there; `look` says what is there instead.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) if begun.elapsed() > WAIT_TIMEOUT => panic!("{what}: {instead}"),
            // Seldom once it takes long: to look costs the API server more than the wait.
            Err(_) => {
                tokio::time::sleep(
                    (begun.elapsed() / 8).clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL),
                )
                .await
            }
        }
    }
}

pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Installs the definitions and waits until objects can be made.
pub fn install_crds(plane: &ControlPlane) {
    install(plane, &crds_yaml().unwrap());
}

/// The same with other definitions.
pub fn install(plane: &ControlPlane, definitions: &str) {
    plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], definitions).unwrap();
    let names = ["crd/clientfleets.clientfleet.dev", "crd/upgradepolicies.clientfleet.dev"];
    let wait = ["wait", "--for=condition=Established", "--timeout=180s", names[0], names[1]];
    plane.kubectl_ok(&wait, "").unwrap();
}

pub struct World {
    pub namespace: String,
    pub client: Client,
    pub clock: Arc<ManualClock>,
    pub wire: Wire,
    pub metrics: Arc<Metrics>,
    controller: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), Failure>>,
}

/// An object's status, also where its spec cannot be read.
fn status_of<S: DeserializeOwned>(object: &DynamicObject) -> S {
    let status = object.data.get("status").cloned().unwrap_or_else(|| json!({}));
    serde_json::from_value(status).unwrap()
}

/// The statuses of a namespace by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Statuses {
    pub fleets: BTreeMap<String, ClientFleetStatus>,
    pub policies: BTreeMap<String, UpgradePolicyStatus>,
}

impl World {
    /// On the control plane that all tests share, at noon, with a controller.
    pub async fn start(prefix: &str) -> Self {
        static CRDS: OnceLock<()> = OnceLock::new();
        CRDS.get_or_init(|| install_crds(shared()));
        Self::on(shared(), prefix).await
    }

    /// On a control plane that has the definitions.
    pub async fn on(plane: &ControlPlane, prefix: &str) -> Self {
        let mut world = Self::without_controller(plane, prefix);
        world.start_controller();
        world
    }

    pub fn without_controller(plane: &ControlPlane, prefix: &str) -> Self {
        listen();
        Self {
            namespace: plane.namespace(prefix).unwrap(),
            client: plane.client().unwrap(),
            clock: Arc::new(ManualClock::at(instant(NOON))),
            wire: Wire::new(),
            metrics: Arc::default(),
            controller: None,
        }
    }

    /// Each start is another process: it counts from zero.
    pub fn start_controller(&mut self) {
        self.metrics = Arc::default();
        self.controller = Some(self.another_controller(&self.wire));
    }

    fn another_controller(&self, wire: &Wire) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let options = Options {
            namespaces: [self.namespace.clone()].into(),
            metrics: Arc::clone(&self.metrics),
            identity: "test".to_owned(),
            audit: Some(audit_stream()),
            ..Options::default()
        };
        let (client, clock) = (wire.client(self.client.clone()), Arc::clone(&self.clock));
        let shutdown = async move {
            let _ = stopped.await;
        };
        let ended = tokio::spawn(run(client, clock, options, shutdown));
        Running { stop, ended }
    }

    /// Runs a second controller beside the first, until the test ends.
    pub fn start_second_controller(&self) -> Wire {
        let wire = Wire::new();
        // Whoever drops the sender stops the controller.
        std::mem::forget(self.another_controller(&wire).stop);
        wire
    }

    /// Stops the controller and waits for its end.
    pub async fn stop_controller(&mut self) {
        let Running { stop, ended } = self.controller.take().unwrap();
        stop.send(()).unwrap();
        ended.await.unwrap().unwrap();
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn dynamic(&self, kind: &str) -> Api<DynamicObject> {
        let resource = match kind {
            "ClientFleet" => ApiResource::erase::<ClientFleet>(&()),
            "UpgradePolicy" => ApiResource::erase::<UpgradePolicy>(&()),
            other => panic!("there is no kind {other} here"),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Server-side apply of a whole object.
    pub async fn apply(&self, mut object: Value) {
        object["apiVersion"] = json!("clientfleet.dev/v1alpha1");
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let parameters = PatchParams::apply("test").force();
        self.dynamic(&kind).patch(&name, &parameters, &Patch::Apply(object)).await.unwrap();
    }

    /// A merge patch of the whole object (RFC 7396: `null` takes a field away).
    pub async fn edit(&self, kind: &str, name: &str, changes: Value) {
        let parameters = PatchParams::default();
        self.dynamic(kind).patch(name, &parameters, &Patch::Merge(changes)).await.unwrap();
    }

    /// A merge patch of the status alone, as somebody else might send.
    pub async fn edit_status(&self, kind: &str, name: &str, changes: Value) {
        let patch = Patch::Merge(json!({"status": changes}));
        self.dynamic(kind).patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn delete(&self, kind: &str, name: &str) {
        self.dynamic(kind).delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub async fn raw(&self, kind: &str, name: &str) -> DynamicObject {
        self.dynamic(kind).get(name).await.unwrap()
    }

    pub async fn fleet(&self, name: &str) -> ClientFleetStatus {
        status_of(&self.raw("ClientFleet", name).await)
    }

    pub async fn policy(&self, name: &str) -> UpgradePolicyStatus {
        status_of(&self.raw("UpgradePolicy", name).await)
    }

    /// One client's entry.
    pub async fn row(&self, fleet: &str, client: &str) -> ClientStatus {
        let rows = self.fleet(fleet).await.clients.unwrap_or_default();
        let row = rows.into_iter().find(|row| row.name.as_str() == client);
        row.unwrap_or_else(|| panic!("{fleet} says nothing of {client}"))
    }

    /// The objects as the controller sees them.
    pub async fn estate(&self) -> Estate {
        Estate { fleets: self.observed().await, policies: self.observed().await }
    }

    async fn observed<K>(&self) -> Vec<Arc<Cached<K>>>
    where
        K: Kind<Scope = NamespaceResourceScope>,
    {
        let listed = self.api::<Cached<K>>().list(&ListParams::default()).await.unwrap();
        listed.items.into_iter().map(Arc::new).collect()
    }

    /// What is stored now.
    pub async fn statuses(&self) -> Statuses {
        Statuses {
            fleets: self.statuses_of("ClientFleet").await,
            policies: self.statuses_of("UpgradePolicy").await,
        }
    }

    async fn statuses_of<S: DeserializeOwned>(&self, kind: &str) -> BTreeMap<String, S> {
        let listed = self.dynamic(kind).list(&ListParams::default()).await.unwrap();
        listed.into_iter().map(|object| (object.name_any(), status_of(&object))).collect()
    }

    /// Makes one change and waits until every status is what the plan says it should be after it,
    /// from the statuses before it. Returns what is stored then.
    pub async fn settles_after(&self, what: &str, change: impl Future<Output = ()>) -> Statuses {
        let before = self.statuses().await;
        change.await;
        self.settles_from(what, &before).await
    }

    /// Waits until every status is what the plan makes of `before`.
    pub async fn settles_from(&self, what: &str, before: &Statuses) -> Statuses {
        eventually(&format!("{what}: settled"), async || {
            let planned = self.planned_from(before).await;
            let stored = self.statuses().await.without_times_of_ready();
            if stored == planned { Ok(()) } else { Err(difference(&planned, &stored)) }
        })
        .await;
        self.statuses().await
    }

    /// Waits until every status is what the plan says.
    pub async fn settles(&self) -> Statuses {
        eventually("settled", async || {
            let stored = self.statuses().await;
            let planned = self.planned_from(&stored).await;
            let stored = stored.without_times_of_ready();
            if stored == planned { Ok(()) } else { Err(difference(&planned, &stored)) }
        })
        .await;
        self.statuses().await
    }

    async fn planned_from(&self, before: &Statuses) -> Statuses {
        let mut estate = self.estate().await;
        for fleet in &mut estate.fleets {
            let status = before.fleets.get(fleet.name()).cloned().unwrap_or_default();
            *fleet = Arc::new(fleet.with_status(status));
        }
        for policy in &mut estate.policies {
            let status = before.policies.get(policy.name()).cloned().unwrap_or_default();
            *policy = Arc::new(policy.with_status(status));
        }
        let plan = settle(&estate, self.clock.now());
        let planned = Statuses {
            fleets: plan
                .fleets
                .into_iter()
                .map(|(name, status)| (name.to_string(), status))
                .collect(),
            policies: plan
                .policies
                .into_iter()
                .map(|(name, status)| (name.to_string(), status))
                .collect(),
        };
        planned.without_times_of_ready()
    }
}

impl Statuses {
    /// On its way from one generation to the next a policy may or may not be seen as `Reconciling`,
    /// and `Ready` has a time of its own for that.
    fn without_times_of_ready(mut self) -> Self {
        for condition in self.policies.values_mut().flat_map(|status| &mut status.conditions) {
            if condition.r#type == "Ready" {
                condition.last_transition_time = Timestamp::UNIX_EPOCH;
            }
        }
        self
    }
}

fn difference(planned: &Statuses, stored: &Statuses) -> String {
    let lines = |statuses: &Statuses| {
        let text = |status: Value| serde_json::to_string_pretty(&status).unwrap();
        let fleets = statuses.fleets.iter().map(|(name, status)| (name, json!(status)));
        let policies = statuses.policies.iter().map(|(name, status)| (name, json!(status)));
        fleets.chain(policies).map(|(name, status)| format!("{name}: {}", text(status))).collect()
    };
    let (planned, stored): (Vec<String>, Vec<String>) = (lines(planned), lines(stored));
    let differ = planned.iter().zip(&stored).find(|(planned, stored)| planned != stored);
    differ.map_or_else(
        || format!("{} objects are planned, {} stored", planned.len(), stored.len()),
        |(planned, stored)| format!("planned {planned}\nstored {stored}"),
    )
}

static TOLD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Told;

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TOLD.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the audit streams of all controllers of this process have told.
pub fn audited_by_all() -> Vec<u8> {
    TOLD.lock().unwrap().clone()
}

/// The stream of all controllers of this process.
fn audit_stream() -> Arc<Stream> {
    static STREAM: OnceLock<Arc<Stream>> = OnceLock::new();
    Arc::clone(STREAM.get_or_init(|| Arc::new(Stream::to(Told))))
}

/// Has the audit streams written; `RUST_LOG=clientfleet=debug` shows the logs as well.
fn listen() {
    let log = EnvFilter::try_from_default_env().ok();
    let log = log.map(|filter| fmt::layer().with_test_writer().with_filter(filter));
    let lines =
        Lines(audit_stream()).with_filter(filter_fn(|metadata| metadata.target() == TARGET));
    let _ = tracing_subscriber::registry().with(lines).with(log).try_init();
}
