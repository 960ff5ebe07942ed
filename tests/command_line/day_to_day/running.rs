//! Runs the real controller with a stopped clock during a test, and creates users with restricted
//! permissions.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use clientfleet::controller::{Options, run};
use clientfleet::daemon::clock::ManualClock;
use clientfleet::values::Timestamp;
use tokio::sync::oneshot;

use crate::control_plane::ControlPlane;
use crate::estate::plane;

/// A running controller. Dropping this value stops the controller.
pub struct Controller {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Controller {
    pub fn start(namespace: &str, at: &str) -> Self {
        let at: Timestamp = at.parse().unwrap();
        let options = Options { namespaces: [namespace.to_owned()].into(), ..Options::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let client = plane().client().unwrap();
                let shutdown = async { drop(stopped.await) };
                run(client, Arc::new(ManualClock::at(at)), options, shutdown).await.unwrap();
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Creates a user who may use only `verbs` on `resources` in one namespace, and returns the path of
/// the user's kubeconfig.
pub fn user(name: &str, namespace: &str, verbs: &str, resources: &str) -> String {
    user_of(plane(), name, namespace, verbs, resources).display().to_string()
}

fn user_of(
    plane: &ControlPlane,
    name: &str,
    namespace: &str,
    verbs: &str,
    resources: &str,
) -> PathBuf {
    if !verbs.is_empty() {
        let role = ["create", "role", name, "-n", namespace];
        let rights = [format!("--verb={verbs}"), format!("--resource={resources}")];
        plane.kubectl_ok(&[&role[..], &[&rights[0], &rights[1]]].concat(), "").unwrap();
        let (role, user) = (format!("--role={name}"), format!("--user={name}"));
        let bind = ["create", "rolebinding", name, "-n", namespace, &role, &user];
        plane.kubectl_ok(&bind, "").unwrap();
    }
    plane.kubeconfig_path_as(name, &[]).unwrap()
}

pub const BOTH: &str = "clientfleets.clientfleet.dev,upgradepolicies.clientfleet.dev";
