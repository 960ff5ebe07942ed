//! Defines the setup that several benchmark sections share: a control plane with 100,000 clients
//! and their statuses, and a copy of the fleets for measurements without the controller.

use clientfleet::api::policy::Mode;
use clientfleet::controller::Options;
use kube::Client;
use tokio::sync::OnceCell;

use crate::Failure;
use crate::control_plane::ControlPlane;
use crate::estate::{self, Estate, everybody};
use crate::floor::Floor;
use crate::program::Program;

pub const FLEETS: usize = 400;
/// Name of the policy that governs all clients, unless a section adds other policies.
pub const POLICY: &str = "all";
/// Modes between which the sections switch the policy. Each switch changes the state of every
/// client.
pub const DIRECTIONS: [Mode; 2] = [Mode::AutoUpgrade, Mode::NoUpgrade];

pub struct Stage {
    pub plane: ControlPlane,
    pub client: Client,
    pub estate: Estate,
    floor: OnceCell<Floor>,
}

impl Stage {
    /// Creates the stage: lets the controller write all statuses for the first mode in
    /// [`DIRECTIONS`], and stops the controller. Each section must restore this state for the next
    /// section.
    pub async fn set() -> Result<Self, Failure> {
        let plane = ControlPlane::start()?;
        let client = plane.client()?;
        estate::install(&client).await?;
        eprintln!("making {FLEETS} fleets of {} clients", estate::CLIENTS);
        let estate = Estate::make(&client, "bench", FLEETS).await?;
        let stage = Self { plane, client, estate, floor: OnceCell::new() };
        eprintln!("having their statuses written");
        let program = Program::start(&stage.plane, stage.estate.namespace)?;
        stage.turn(0).await?;
        program.is_at_rest().await?;
        program.stop().await?;
        Ok(stage)
    }

    /// Switches the policy to the mode `DIRECTIONS[direction]`, and waits until all statuses have
    /// been written.
    pub async fn turn(&self, direction: usize) -> Result<(), Failure> {
        let generation = self.estate.set(POLICY, everybody(DIRECTIONS[direction])).await?;
        self.estate.in_force(POLICY, generation).await
    }

    /// Returns the [`Floor`], which writes prepared statuses to a copy of the fleets. The first
    /// call creates the copy in another namespace.
    pub async fn floor(&self) -> Result<&Floor, Failure> {
        self.floor.get_or_try_init(|| self.make_floor()).await
    }

    async fn make_floor(&self) -> Result<Floor, Failure> {
        eprintln!("making the same fleets for the floor");
        let estate = Estate::make(&self.client, "floor", FLEETS).await?;
        let program = Program::start(&self.plane, self.estate.namespace)?;
        self.turn(1).await?;
        let second = self.estate.statuses().await?;
        self.turn(0).await?;
        let first = self.estate.statuses().await?;
        program.stop().await?;
        let concurrency = usize::from(Options::default().concurrent_writes);
        let floor = Floor::new(self.plane.client()?, estate, [first, second], concurrency);
        floor.write_all(0).await?;
        Ok(floor)
    }
}
