//! Defines the two custom resources of group `clientfleet.dev`, version `v1alpha1`: their types,
//! schemas and validation.
//!
//! The types are in `fleet` and `policy`, and the types that both resources share are in
//! `conditions`, `summary` and `text`. `bounds`, `invisible`, `patterns`, `reported_text`, `schema` and
//! `rules` define the valid values. `columns` defines the output of `kubectl get`, and `crd` builds the definitions from all
//! of these. `admission` validates objects without a server.

pub mod admission;
pub mod bounds;
mod columns;
pub mod conditions;
pub mod crd;
pub mod fleet;
pub(crate) mod invisible;
pub(crate) mod patterns;
pub mod policy;
pub mod reported_text;
mod rules;
mod schema;
pub mod summary;
pub mod text;

pub use conditions::Condition;
pub use crd::{
    Kind, REVISION_ANNOTATION, SCHEMA_REVISION, crd_yaml, crds, crds_yaml, older_than_own,
};
pub use fleet::{ClientFleet, ClientFleetSpec, ClientFleetStatus};
pub(crate) use patterns::{addresses_accept, is_client_name, is_label_value};
pub use policy::{UpgradePolicy, UpgradePolicySpec, UpgradePolicyStatus};
pub use summary::Summary;
pub use text::{Labels, Text};
