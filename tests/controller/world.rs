//! A test namespace and its controller, which runs in the test process and uses a clock that the
//! test sets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use clientfleet::api::fleet::ClientStatus;
use clientfleet::api::{
    ClientFleet, ClientFleetStatus, UpgradePolicy, UpgradePolicyStatus, crds_yaml,
};
use clientfleet::controller::metrics::Metrics;
use clientfleet::controller::{Failure, Options, run};
use clientfleet::daemon::audit_stream::{Lines, Stream, TARGET};
use clientfleet::daemon::clock::{Clock, ManualClock};
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
use crate::recording_client::RequestRecorder;

/// Time at which the clock of a test starts: 12:00 in Berlin, on a Tuesday.
pub const NOON: &str = "2026-11-24T11:00:00Z";

/// Timeout for each wait in a test. It is long enough for a busy machine.
const WAIT_TIMEOUT: Duration = Duration::from_secs(180);

const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Repeats a check until it returns a value, and returns that value. Panics after `WAIT_TIMEOUT`
/// (180 s) with the last error of the check.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) if begun.elapsed() > WAIT_TIMEOUT => panic!("{what}: {instead}"),
            // Each check puts load on the API server, so lengthen the pause as the wait gets
            // longer.
            Err(_) => {
                tokio::time::sleep(
                    (begun.elapsed() / 8).clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL),
                )
                .await;
            }
        }
    }
}

pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn install_crds(plane: &ControlPlane) {
    install(plane, &crds_yaml().unwrap());
}

/// Installs the CRDs from `definitions`, and waits until they are established.
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
    pub wire: RequestRecorder,
    pub metrics: Arc<Metrics>,
    controller: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), Failure>>,
}

/// Returns the status of an object, even if its spec cannot be parsed.
pub fn status_of<S: DeserializeOwned>(object: &DynamicObject) -> S {
    let status = object.data.get("status").cloned().unwrap_or_else(|| json!({}));
    serde_json::from_value(status).unwrap()
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statuses {
    pub fleets: BTreeMap<String, ClientFleetStatus>,
    pub policies: BTreeMap<String, UpgradePolicyStatus>,
}

impl World {
    /// Creates a namespace on the shared control plane, and starts a controller for it with the
    /// clock at [`NOON`].
    pub async fn start(prefix: &str) -> Self {
        static CRDS: OnceLock<()> = OnceLock::new();
        CRDS.get_or_init(|| install_crds(shared()));
        Self::on(shared(), prefix).await
    }

    /// Creates a namespace on `plane`, and starts a controller for it. The CRDs must already be
    /// installed.
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
            wire: RequestRecorder::new(),
            metrics: Arc::default(),
            controller: None,
        }
    }

    /// Starts a controller with new metrics, as in a new process.
    pub fn start_controller(&mut self) {
        self.metrics = Arc::default();
        self.controller = Some(self.another_controller(&self.wire));
    }

    fn another_controller(&self, wire: &RequestRecorder) -> Running {
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

    /// Starts a second controller, which runs until the test ends. Returns the recorder of its
    /// requests.
    pub fn start_second_controller(&self) -> RequestRecorder {
        let wire = RequestRecorder::new();
        // Keep the sender forever, because dropping it would stop the controller.
        std::mem::forget(self.another_controller(&wire).stop);
        wire
    }

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

    pub fn dynamic(&self, kind: &str) -> Api<DynamicObject> {
        let resource = match kind {
            "ClientFleet" => ApiResource::erase::<ClientFleet>(&()),
            "UpgradePolicy" => ApiResource::erase::<UpgradePolicy>(&()),
            other => panic!("there is no kind {other} here"),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Creates or changes an object with server-side apply.
    pub async fn apply(&self, mut object: Value) {
        object["apiVersion"] = json!("clientfleet.dev/v1alpha1");
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let parameters = PatchParams::apply("test").force();
        self.dynamic(&kind).patch(&name, &parameters, &Patch::Apply(object)).await.unwrap();
    }

    /// Applies a merge patch to an object (RFC 7396: `null` removes a field).
    pub async fn edit(&self, kind: &str, name: &str, changes: Value) {
        let parameters = PatchParams::default();
        self.dynamic(kind).patch(name, &parameters, &Patch::Merge(changes)).await.unwrap();
    }

    /// Applies a merge patch to the status of an object, to simulate a write by another program.
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

    pub async fn row(&self, fleet: &str, client: &str) -> ClientStatus {
        let rows = self.fleet(fleet).await.clients.unwrap_or_default();
        let row = rows.into_iter().find(|row| row.name.as_str() == client);
        row.unwrap_or_else(|| panic!("{fleet} says nothing of {client}"))
    }

    /// Returns the fleets and policies of the namespace in the form that the controller caches.
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

    /// Makes a change, and waits until every stored status equals the status that is planned from
    /// the statuses before the change. Returns the stored statuses.
    pub async fn settles_after(&self, what: &str, change: impl Future<Output = ()>) -> Statuses {
        let before = self.statuses().await;
        change.await;
        self.settles_from(what, &before).await
    }

    /// Waits until every stored status equals the status that is planned from `before`, and returns
    /// the stored statuses.
    pub async fn settles_from(&self, what: &str, before: &Statuses) -> Statuses {
        eventually(&format!("{what}: settled"), async || {
            let planned = self.planned_from(before).await;
            let stored = self.statuses().await.without_times_of_ready();
            if stored == planned { Ok(()) } else { Err(difference(&planned, &stored)) }
        })
        .await;
        self.statuses().await
    }

    /// Waits until a plan that starts from the stored statuses would change none of them, and
    /// returns the stored statuses.
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
    /// Sets the transition time of each policy's `Ready` condition to a fixed value, so that
    /// statuses can be compared. The time varies from run to run, because the controller does not
    /// always write `Reconciling` between two generations.
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

static AUDIT_LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct AuditBuffer;

impl Write for AuditBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        AUDIT_LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn audited_by_all() -> Vec<u8> {
    AUDIT_LINES.lock().unwrap().clone()
}

fn audit_stream() -> Arc<Stream> {
    static STREAM: OnceLock<Arc<Stream>> = OnceLock::new();
    Arc::clone(STREAM.get_or_init(|| Arc::new(Stream::to(AuditBuffer))))
}

/// Collects the audit lines of the controllers. If `RUST_LOG` is set, for example to
/// `clientfleet=debug`, also prints the logs.
fn listen() {
    let log = EnvFilter::try_from_default_env().ok();
    let log = log.map(|filter| fmt::layer().with_test_writer().with_filter(filter));
    let lines =
        Lines(audit_stream()).with_filter(filter_fn(|metadata| metadata.target() == TARGET));
    let _ = tracing_subscriber::registry().with(lines).with(log).try_init();
}
