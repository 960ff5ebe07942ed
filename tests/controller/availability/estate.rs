//! A namespace with fleets, replicas that look after it, and the lease that they share.

use std::net::SocketAddr;
use std::sync::OnceLock;

use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use super::audit::{self, Entry};
use super::replica::{Replica, Times, kubeconfig};
use crate::control_plane::ControlPlane;
use crate::objects::{auto, fleet};
use crate::world::{World, eventually, install_crds};

/// The usual ones.
pub const TIMES: Times = ["15s", "10s", "2s"];

/// The control plane of these tests, which notes what is written.
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
    /// A namespace with one policy and six fleets.
    pub async fn make(prefix: &str) -> Self {
        let world = World::without_controller(plane(), prefix);
        world.apply(auto("all")).await;
        for site in ["berlin", "cairo", "lima", "oslo", "paris", "rome"] {
            world.apply(fleet(site, &["a", "b", "c"])).await;
        }
        Self { world }
    }

    pub fn start(&self, name: &str) -> Replica {
        self.start_through(name, None)
    }

    /// Starts a replica that reaches the API server at another address.
    pub fn start_through(&self, name: &str, way: Option<SocketAddr>) -> Replica {
        // Names are users in the audit log, which all tests of this control plane share.
        let name = format!("{name}-of-{}", self.world.namespace);
        let kubeconfig = kubeconfig(plane(), &name, way);
        Replica::start(&name, &kubeconfig, &self.world.namespace, TIMES)
    }

    /// One that leads, whose work is done, and one that stands by.
    pub async fn start_two(&self, way: Option<SocketAddr>) -> (Replica, Replica) {
        let first = self.start_through("first", way);
        self.is_held_by(&first.name).await;
        self.settles().await;
        let second = self.start("second");
        second.has_logged("standing by").await;
        // Its stores are filled when it could begin at once.
        second.has_logged("stores are filled").await;
        (first, second)
    }

    /// Who holds the lease; nobody where it was given back.
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

    /// Changes what the policy asks for; every status changes with it.
    pub async fn suspend(&self, suspended: bool) {
        let spec = json!({"spec": {"suspend": suspended}});
        self.world.edit("UpgradePolicy", "all", spec).await;
    }

    /// Waits until every status is what the plan says, and the policy is in force.
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

    /// What the API server has noted up to now.
    pub fn audit(&self) -> Vec<Entry> {
        audit::read(&plane().audit_log(), &self.world.namespace)
    }

    /// The end of every run.
    pub async fn ends_well(&self) {
        self.settles().await;
        audit::assert_one_writer(&self.audit());
    }
}
