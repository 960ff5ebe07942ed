//! The two custom resources of group `clientfleet.dev`, version `v1alpha1`: their types, their
//! schema, and what admission refuses of them. Data only: nothing here decides anything.
//!
//! `fleet`, `policy` and what they share are the types. `bounds`, `patterns`, `schema` and `rules`
//! say what of them is accepted, `columns` what `kubectl get` shows, `crd` puts all together, and
//! `admission` judges the same without a server.

pub mod admission;
pub mod bounds;
mod columns;
pub mod conditions;
pub mod crd;
pub mod fleet;
mod patterns;
pub mod policy;
mod rules;
mod schema;
pub mod summary;
pub mod text;

pub use conditions::Condition;
pub use crd::{
    Kind, REVISION_ANNOTATION, SCHEMA_REVISION, crd_yaml, crds, crds_yaml, older_than_own,
};
pub use fleet::{ClientFleet, ClientFleetSpec, ClientFleetStatus};
pub use policy::{UpgradePolicy, UpgradePolicySpec, UpgradePolicyStatus};
pub use summary::Summary;
pub use text::{Labels, Text};
