//! Defines the protocol between the service and update agents: the Direct Device Integration API
//! (DDI) of Eclipse hawkBit, as far as real agents use it.
//!
//! The layer contains only functions of their arguments: no I/O and no clock. Bodies are read
//! leniently, because an agent repeats an installation if its feedback is refused, and answers are
//! written strictly, because each agent accepts only what hawkBit sends.
//!
//! - Requests: [`path`] parses the path, [`credentials`] the `Authorization` header, [`agent`] the
//!   `User-Agent` header, and [`feedback`] and [`attributes`] the bodies.
//! - Answers: [`answer`] defines the bodies, and [`href`] the URLs in them. [`poll_interval`] and
//!   [`action_id`] define two of the values. [`signature`] verifies the signature of a package.
//!
//! The comments name the agents whose behavior decides a rule: swupdate 2022.12 (suricatta),
//! rauc-hawkbit-updater 1.4 (C), rauc-hawkbit 0.2 (Python), Zephyr's hawkBit client, and the Arduino
//! client for ESP32.

pub mod action_id;
pub mod agent;
pub mod answer;
pub mod attributes;
pub mod credentials;
pub mod feedback;
pub mod href;
pub mod path;
pub mod poll_interval;
pub mod signature;

mod cleaning;
mod lenient_json;

pub use action_id::ActionId;
pub use agent::Agent;
pub use href::{BaseUrl, Hrefs};
pub use path::{FileName, RequestPath, Resource};
pub use poll_interval::PollInterval;
pub use signature::{PackageKey, PackageSignature};
