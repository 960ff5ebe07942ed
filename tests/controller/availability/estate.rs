//! Defines a test namespace with fleets, replicas that reconcile the fleets, and the lease that the
//! replicas share.

use std::net::SocketAddr;
use std::sync::OnceLock;

use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use super::audit::{self, Entry};
use super::replica::{Replica, Times, kubeconfig};
use crate::control_plane::ControlPlane;
use crate::objects::{auto, distinct_fleet};
use crate::world::{World, eventually, install_crds};

/// The controller's default lease duration, renew deadline and retry period.
pub const TIMES: Times = ["15s", "10s", "2s"];

pub fn plane() -> &'static ControlPlane {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = ControlPlane::builder().audit_policy(audit::POLICY).start().unwrap();
        install_crds(&plane);
        plane
    })
}

pub struct Estate {
    pub world: World,
}

impl Estate {
    pub async fn make(prefix: &str) -> Self {
        let world = World::without_controller(plane(), prefix);
        world.apply(auto("all")).await;
        for site in ["berlin", "cairo", "lima", "oslo", "paris", "rome"] {
            world.apply(distinct_fleet(site, &["a", "b", "c"])).await;
        }
        Self { world }
    }

    pub fn start(&self, name: &str) -> Replica {
        self.start_through(name, None)
    }

    /// Starts a replica. `way` is the address of a proxy to the API server; with `None` the replica
    /// connects directly.
    pub fn start_through(&self, name: &str, way: Option<SocketAddr>) -> Replica {
        // The tests share one audit log, so each user name must be unique.
        let name = format!("{name}-of-{}", self.world.namespace);
        let kubeconfig = kubeconfig(plane(), &name, way);
        Replica::start(&name, &kubeconfig, &self.world.namespace, TIMES)
    }

    /// Starts a leader, waits until the leader has written all statuses, and then starts a standby.
    /// `way` is the address of a proxy for the leader; with `None` the leader connects directly.
    pub async fn start_two(&self, way: Option<SocketAddr>) -> (Replica, Replica) {
        let first = self.start_through("first", way);
        self.is_held_by(&first.name).await;
        self.settles().await;
        let second = self.start("second");
        second.has_logged("standing by").await;
        // Wait until the standby's stores are filled, so that it can take over immediately.
        second.has_logged("stores are filled").await;
        (first, second)
    }

    pub async fn holder(&self) -> Option<String> {
        let lease = self.world.api::<Lease>().get_opt("clientfleet").await.unwrap()?;
        lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
    }

    pub async fn is_held_by(&self, name: &str) {
        eventually(&format!("{name} holds the lease"), async || {
            let holder = self.holder().await;
            if holder.as_deref() == Some(name) { Ok(()) } else { Err(format!("{holder:?} does")) }
        })
        .await;
    }

    /// Suspends or resumes the policy, which changes every status.
    pub async fn suspend(&self, suspended: bool) {
        let spec = json!({"spec": {"suspend": suspended}});
        self.world.edit("UpgradePolicy", "all", spec).await;
    }

    pub async fn settles(&self) {
        let generation = self.world.raw("UpgradePolicy", "all").await.metadata.generation;
        eventually("the policy is in force", async || {
            let observed = self.world.policy("all").await.observed_generation;
            if observed == generation { Ok(()) } else { Err(format!("{observed:?}")) }
        })
        .await;
        self.world.clock.set(chrono::Utc::now());
        self.world.settles().await;
    }

    pub fn audit(&self) -> Vec<Entry> {
        audit::read(&plane().audit_log(), &self.world.namespace)
    }

    /// Waits until the statuses match the plan, and checks in the audit log that only the leader
    /// wrote statuses.
    pub async fn ends_well(&self) {
        self.settles().await;
        audit::assert_one_writer(&self.audit());
    }
}
