//! A namespace with fleets and a policy, the controller that reconciles it through the hostile
//! proxy, and the observers of all stored versions.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clientfleet::api::{ClientFleet, UpgradePolicy, crds_yaml};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control_plane::{ControlPlane, shared};
use crate::local_plan::difference;
use crate::objects::{auto, client, distinct_fleet};
use crate::observer::{Observer, Stored};
use crate::oracles::{Evidence, Oracle, Violation, violations};
use crate::program::Program;
use crate::proxy::Proxy;

/// Maximum time from the end of a fault until every stored status equals the plan. The controller
/// itself may wait 30 s for a response and 90 s for a silent watch.
const CONVERGENCE_LIMIT: Duration = Duration::from_secs(150);

/// Time without a stored version after which the controller counts as having come to rest.
const QUIET_TIME: Duration = Duration::from_secs(3);

/// Time without a stored version after which a killed controller has no writes in progress.
const KILL_PAUSE: Duration = Duration::from_millis(500);

/// Time after which a controller has written the audit lines of a version that was stored.
pub const TELLING_TIME: Duration = Duration::from_secs(1);

/// Name of the kubeconfig file for commands.
pub const COMMANDS: &str = "kubeconfig-of-commands";

/// Maximum time to wait for anything else.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Pause between two changes of [`Stage::work`], so that the controller plans in between.
const WORK_PAUSE: Duration = Duration::from_millis(150);

pub struct Stage {
    pub namespace: String,
    pub proxy: Proxy,
    /// Proxy of the commands that users run.
    pub commands: Proxy,
    pub program: Program,
    pub folder: TempDir,
    pub fleets: Observer,
    pub policies: Observer,
    client: Client,
    /// Name of the controller's kubeconfig file.
    kubeconfig: String,
    /// Command line arguments of the controller.
    arguments: Vec<String>,
    /// Proxies of controllers that the stage had before.
    past_proxies: Vec<Proxy>,
    /// True if the fault makes the controller end by itself.
    pub may_end: bool,
    /// Largest resident set size of all processes that have ended, in KiB.
    peak_memory_kib: u64,
    /// Ranges of resourceVersions, both ends included, whose audit lines may be missing because the
    /// controller was killed while it wrote.
    unaudited: Vec<(u64, u64)>,
    /// What went wrong before the evidence is judged.
    violations: Vec<Violation>,
}

/// A second controller.
pub struct Replica {
    pub proxy: Proxy,
    pub program: Program,
    kubeconfig: String,
}

/// Repeats a check until it succeeds. Panics after 120 s with the last error.
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match check().await {
            Ok(found) => return found,
            Err(error) if started.elapsed() > WAIT_LIMIT => panic!("{what}: {error}"),
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// Installs the CRDs and waits until they are established.
pub fn install_crds(plane: &ControlPlane) {
    let apply = ["apply", "--server-side", "-f", "-"];
    plane.kubectl_ok(&apply, &crds_yaml().unwrap()).unwrap();
    wait_for_crds(plane);
}

pub fn wait_for_crds(plane: &ControlPlane) {
    let crds = ["crd/clientfleets.clientfleet.dev", "crd/upgradepolicies.clientfleet.dev"];
    let wait = ["wait", "--for=condition=Established", "--timeout=180s", crds[0], crds[1]];
    plane.kubectl_ok(&wait, "").unwrap();
}

impl Stage {
    /// Creates a namespace on the shared control plane, with the CRDs installed.
    pub fn new_namespace(prefix: &str) -> String {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| install_crds(shared()));
        shared().namespace(prefix).unwrap()
    }

    /// Creates a stage on the shared control plane, with an `AutoUpgrade` policy and three fleets,
    /// and waits until the controller has written all statuses.
    pub async fn start(prefix: &str) -> Self {
        Self::in_namespace(shared(), Self::new_namespace(prefix)).await
    }

    /// Creates a stage on a control plane on which the CRDs are installed.
    pub async fn on(plane: &ControlPlane, prefix: &str) -> Self {
        Self::in_namespace(plane, plane.namespace(prefix).unwrap()).await
    }

    async fn in_namespace(plane: &ControlPlane, namespace: String) -> Self {
        let arguments = vec!["--namespace".to_owned(), namespace];
        let mut stage = Self::with_arguments(plane, plane.client().unwrap(), arguments).await;
        stage.converges().await;
        stage
    }

    /// Creates a stage whose controller has the given arguments, of which the second one must be
    /// the namespace. `client` sends the requests of the controller.
    pub async fn with_arguments(
        plane: &ControlPlane,
        client: Client,
        arguments: Vec<String>,
    ) -> Self {
        let namespace = arguments[1].clone();
        let proxy = Proxy::start(client).await;
        let client = plane.client().unwrap();
        let commands = Proxy::start(client.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        write_kubeconfig(&folder, "kubeconfig", &proxy, &namespace);
        write_kubeconfig(&folder, COMMANDS, &commands, &namespace);
        let fleets = Observer::start(api::<ClientFleet>(&client, &namespace)).await;
        let policies = Observer::start(api::<UpgradePolicy>(&client, &namespace)).await;
        let program = Program::start(folder.path(), "kubeconfig", &arguments);
        let stage = Self {
            namespace,
            proxy,
            commands,
            program,
            folder,
            fleets,
            policies,
            client,
            kubeconfig: "kubeconfig".to_owned(),
            arguments,
            past_proxies: vec![],
            may_end: false,
            peak_memory_kib: 0,
            unaudited: vec![],
            violations: vec![],
        };
        stage.apply(auto("all")).await;
        for name in ["berlin", "cairo", "lima"] {
            stage.apply(distinct_fleet(name, &["a", "b", "c"])).await;
        }
        stage
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        match kind {
            "ClientFleet" => api::<ClientFleet>(&self.client, &self.namespace),
            "UpgradePolicy" => api::<UpgradePolicy>(&self.client, &self.namespace),
            other => panic!("there is no kind {other} here"),
        }
    }

    /// Applies a whole object with server-side apply.
    pub async fn apply(&self, mut object: Value) {
        object["apiVersion"] = json!("clientfleet.dev/v1alpha1");
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let parameters = PatchParams::apply("test").force();
        self.api(&kind).patch(&name, &parameters, &Patch::Apply(object)).await.unwrap();
    }

    /// Applies a merge patch to an object.
    pub async fn edit(&self, kind: &str, name: &str, changes: Value) {
        let patch = Patch::Merge(changes);
        self.api(kind).patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Sets whether the policy `all` is suspended.
    pub async fn suspend(&self, suspended: bool) {
        self.edit("UpgradePolicy", "all", json!({"spec": {"suspend": suspended}})).await;
    }

    /// Tries to write a new value of an annotation.
    pub async fn tries_to_write(&self) -> Result<(), String> {
        let annotations = json!({"tried": chrono::Utc::now().to_rfc3339()});
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let policies = self.api("UpgradePolicy");
        let tried = policies.patch("all", &PatchParams::default(), &patch).await;
        tried.map(drop).map_err(|error| error.to_string())
    }

    /// Changes policies and fleets as users do: suspends the policy, reports a client's version,
    /// resumes the policy, creates a fleet and deletes another one.
    pub async fn work(&self) {
        self.suspend(true).await;
        tokio::time::sleep(WORK_PAUSE).await;
        let clients = [("a", "3.60"), ("b", "3.59"), ("c", "3.59")];
        let clients = clients.map(|(name, version)| client(&format!("berlin-{name}"), version));
        self.edit("ClientFleet", "berlin", json!({"spec": {"clients": clients}})).await;
        tokio::time::sleep(WORK_PAUSE).await;
        self.suspend(false).await;
        tokio::time::sleep(WORK_PAUSE).await;
        self.apply(distinct_fleet("oslo", &["a", "b"])).await;
        self.delete("ClientFleet", "cairo").await;
    }

    /// Starts new observers, because versions have gone back. The oracles then judge only what
    /// follows.
    pub async fn forget_the_past(&mut self) {
        fs::write(self.folder.path().join("audit"), "").unwrap();
        self.fleets = Observer::start(self.api("ClientFleet")).await;
        self.policies = Observer::start(self.api("UpgradePolicy")).await;
        self.unaudited.push((0, self.version()));
    }

    /// Waits until a fault has applied at least once.
    pub async fn fault_applies(&self) {
        self.faults_exceed(0).await;
    }

    /// Waits until faults have applied more than `count` times.
    pub async fn faults_exceed(&self, count: usize) {
        eventually("a fault applies", async || match self.faults() > count {
            true => Ok(()),
            false => Err("no further one has applied".to_owned()),
        })
        .await;
    }

    /// Returns how often a fault has applied to a request of the controller or of a command.
    pub fn faults(&self) -> usize {
        self.proxy.faults() + self.commands.faults()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub async fn has_logged(&self, text: &str) {
        eventually("the controller logs a text", async || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(format!("no {text:?} in {log}")) }
        })
        .await;
    }

    /// Returns the largest resourceVersion that the observers have seen.
    pub fn version(&self) -> u64 {
        let versions = [self.fleets.stored(), self.policies.stored()];
        versions.iter().flatten().map(|stored| stored.version).max().unwrap_or_default()
    }

    /// Kills the controller. The audit lines of writes that were in flight may be missing: of
    /// versions that were stored in the last second.
    pub async fn kill(&mut self) {
        self.note_memory();
        let told = self.fleets.stored_before(TELLING_TIME);
        self.program.kill();
        // A write that was sent before the kill may still be stored.
        eventually("nothing is stored any longer", async || match self.fleets.quiet_for() {
            quiet if quiet > KILL_PAUSE => Ok(()),
            quiet => Err(format!("a version was stored {quiet:?} ago")),
        })
        .await;
        self.fleets.catches_up().await;
        self.unaudited.push((told + 1, self.version() + 1));
    }

    /// Starts the controller again after it has ended.
    pub fn restart(&mut self) {
        self.program = Program::start(self.folder.path(), &self.kubeconfig, &self.arguments);
    }

    /// Starts a second controller with the same arguments and a proxy of its own.
    pub async fn start_replica(&self) -> Replica {
        let proxy = Proxy::start(self.client.clone()).await;
        let kubeconfig = "kubeconfig-of-the-second".to_owned();
        write_kubeconfig(&self.folder, &kubeconfig, &proxy, &self.namespace);
        let program = Program::start(self.folder.path(), &kubeconfig, &self.arguments);
        Replica { proxy, program, kubeconfig }
    }

    /// Exchanges the controller of the stage with the other one.
    pub fn swap(&mut self, replica: &mut Replica) {
        self.note_memory();
        self.past_proxies.push(self.proxy.clone());
        std::mem::swap(&mut self.program, &mut replica.program);
        std::mem::swap(&mut self.proxy, &mut replica.proxy);
        std::mem::swap(&mut self.kubeconfig, &mut replica.kubeconfig);
    }

    fn note_memory(&mut self) {
        let peak = self.program.peak_memory_kib().unwrap_or_default();
        self.peak_memory_kib = self.peak_memory_kib.max(peak);
    }

    /// Waits until every stored status equals the output of `plan --local`, and no version was
    /// stored for 3 s. Restarts the controller if it has ended, as a kubelet does.
    pub async fn converges(&mut self) {
        self.converges_within(CONVERGENCE_LIMIT).await;
    }

    pub async fn converges_within(&mut self, limit: Duration) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.program.ended() {
                if !self.may_end {
                    self.violates(Oracle::BehavesWell, format!("it ended by itself: {status}"));
                }
                self.restart();
            }
            let stored = self.fleets.quiet_for().min(self.policies.quiet_for());
            let quiet = stored.min(self.proxy.quiet_for());
            if quiet >= QUIET_TIME {
                match difference(&self.fleets.current(), &self.policies.current()) {
                    None => return,
                    Some(difference) if started.elapsed() > limit => {
                        return self.violates(Oracle::EqualsPlan, difference);
                    }
                    Some(_) => {}
                }
            }
            if started.elapsed() > limit + QUIET_TIME {
                return self.violates(Oracle::ComesToRest, "statuses are still written".into());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn violates(&mut self, oracle: Oracle, what: String) {
        self.violations.push(Violation { oracle, what });
    }

    /// Ends a case: heals the proxy and waits until the statuses converge. Then injects the fault
    /// again, changes the policy, and terminates the controller during the fault. Checks all
    /// oracles.
    pub async fn ends_well(mut self, fault: impl Fn(&Proxy)) {
        self.proxy.heal();
        self.converges().await;
        fault(&self.proxy);
        let found = self.terminates().await;
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{}\n\n{}", found.join("\n"), self.log());
    }

    /// Changes the policy, terminates the controller, and returns everything that the oracles have
    /// found.
    pub async fn terminates(&mut self) -> Vec<Violation> {
        let since = self.version();
        let all = self.policies.current().into_iter().find(|policy| policy.name() == "all");
        let suspended = all.is_some_and(|all| all.object.data["spec"]["suspend"] == true);
        self.suspend(!suspended).await;
        tokio::time::sleep(WORK_PAUSE).await;
        self.note_memory();
        match self.program.terminate().await {
            Some(status) if status.success() => {}
            Some(status) => self.violates(Oracle::Shutdown, format!("it ended with {status}")),
            None => self.violates(Oracle::Shutdown, "it still runs 5 s after SIGTERM".into()),
        }
        self.proxy.heal();
        // The controller says so if it did not learn the outcome of a write in time.
        if self.log().contains("writes were still under way") {
            self.unaudited.push((since + 1, u64::MAX));
        }
        self.fleets.catches_up().await;
        self.policies.catches_up().await;
        let mut found = std::mem::take(&mut self.violations);
        found.extend(violations(&self.evidence()));
        found
    }

    fn evidence(&self) -> Evidence {
        let audit = fs::read_to_string(self.folder.path().join("audit")).unwrap_or_default();
        let proxies = self.past_proxies.iter().chain([&self.proxy]);
        Evidence {
            fleets: self.fleets.stored(),
            policies: self.policies.stored(),
            seen: proxies.map(Proxy::seen).collect(),
            log: self.log(),
            // A killed process may leave a part of a line.
            audit: audit.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            unaudited: self.unaudited.clone(),
            peak_memory_kib: self.peak_memory_kib,
        }
    }

    /// Waits until a stored version of a fleet satisfies `is_it`.
    pub async fn fleet_is(&self, name: &str, what: &str, is_it: impl Fn(&Stored) -> bool) {
        eventually(&format!("{name} {what}"), async || {
            let current = self.fleets.current();
            let found = current.iter().find(|stored| stored.name() == name);
            match found {
                Some(stored) if is_it(stored) => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    }

    /// Waits until the policy `name` is in force: its status reports the current generation, and
    /// its condition `Ready` is true.
    pub async fn is_in_force(&self, name: &str) {
        eventually(&format!("{name} is in force"), async || {
            let current = self.policies.current();
            let found = current.iter().find(|stored| stored.name() == name);
            match found {
                Some(stored) if crate::history::is_in_force(stored) => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    }
}

fn api<K>(client: &Client, namespace: &str) -> Api<DynamicObject>
where
    K: kube::Resource<DynamicType = ()>,
{
    Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<K>(&()))
}

fn write_kubeconfig(folder: &TempDir, file: &str, proxy: &Proxy, namespace: &str) {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "contexts": [{
            "name": "proxy",
            "context": {"cluster": "proxy", "user": "proxy", "namespace": namespace},
        }],
        "clusters": [{"name": "proxy", "cluster": {"server": proxy.url()}}],
        "users": [{"name": "proxy", "user": {}}],
    });
    fs::write(folder.path().join(file), kubeconfig.to_string()).unwrap();
}
