//! What a policy means for those clients of one fleet that share a time zone: its target there, and
//! when distribution is open for them. Worked out once for all of them.

use std::rc::Rc;

use super::facts::{Package, ZoneFact};
use super::phase_cache::{PhaseResults, RangeQuery};
use super::policy::Policy;
use super::version_text::VersionText;
use crate::api::policy::Mode;
use crate::values::{Exclusion, Openings, Phase, Timestamp};

/// A policy in a fleet, in a zone.
#[derive(Debug)]
pub struct ZonedPolicy<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The version to run; `None` for `NoUpgrade` and where the package is not known.
    pub target: Option<Target<'a>>,
    /// The clients' zone: the policy's, else the client's, else the fleet's.
    pub zone: &'a ZoneFact,
    openings: Openings<'a>,
    /// What they have said before.
    answers: Rc<PhaseResults>,
}

/// The version that a client is to run, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// As the policy or the fleet writes it.
    pub version: &'a VersionText,
    /// Whether it must never be offered again.
    pub withdrawn: bool,
    /// Whether the server can distribute it.
    pub available: bool,
}

impl<'a> ZonedPolicy<'a> {
    /// What `policy` means where `package` is carried and `zone` is the client's own, or else its
    /// fleet's.
    #[must_use]
    pub fn new(policy: &'a Policy, package: &'a Package, zone: &'a ZoneFact) -> Self {
        Self::with(policy, package, zone, |_| Rc::default())
    }

    /// The same, with answers that others may have asked for before.
    pub(super) fn with(
        policy: &'a Policy,
        package: &'a Package,
        zone: &'a ZoneFact,
        answers: impl FnOnce(&ZoneFact) -> Rc<PhaseResults>,
    ) -> Self {
        let zone = policy.zone.as_ref().unwrap_or(zone);
        let version = match policy.mode {
            Mode::NoUpgrade => None,
            Mode::AutoUpgrade => package.readable(),
            Mode::OnlyUpgradeTo => policy.lock.as_ref(),
        };
        let target = version.map(|version| Target {
            version,
            withdrawn: package.has_withdrawn(version),
            available: package.offers(version),
        });
        let openings = policy.range.in_zone(zone.zone());
        Self { policy, target, zone, openings, answers: answers(zone) }
    }

    /// The phase that distribution is in at `t`.
    #[must_use]
    pub fn phase_at(&self, t: Timestamp) -> Phase {
        self.answers.phase(self.openings, t)
    }

    /// The first instant from `t` on at which distribution is open.
    #[must_use]
    pub fn next_opening(&self, t: Timestamp) -> Option<Timestamp> {
        self.answers.instant(RangeQuery::NextOpening, self.openings, t)
    }

    /// The first instant after `t`, at which distribution is open, at which it is not.
    #[must_use]
    pub fn next_closing(&self, t: Timestamp) -> Option<Timestamp> {
        self.answers.instant(RangeQuery::NextClosing, self.openings, t)
    }

    /// The first instant after `t` at which the phase is another.
    #[must_use]
    pub fn phase_ends(&self, t: Timestamp) -> Option<Timestamp> {
        self.answers.instant(RangeQuery::PhaseEnds, self.openings, t)
    }

    /// The openings from `t` on, as [`Openings::openings_from`] tells them.
    pub fn openings_from(
        &self,
        t: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Option<Timestamp>)> + use<'_> {
        self.openings.openings_from(t)
    }

    /// The first exclusion of the policy that holds the local date of `t`.
    #[must_use]
    pub fn exclusion_at(&self, t: Timestamp) -> Option<&Exclusion> {
        self.openings.exclusion_at(t)
    }
}
