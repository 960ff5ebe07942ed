//! Resolves a policy for one fleet and one time zone, which determine the target version and the
//! distribution phases. All clients of the fleet in this time zone share the result.

use std::rc::Rc;

use super::facts::{Package, ZoneFact};
use super::phase_cache::{PhaseResults, RangeQuery};
use super::policy::Policy;
use super::version_text::VersionText;
use crate::api::policy::Mode;
use crate::values::{Exclusion, Openings, Phase, Timestamp};

/// A policy that is resolved for one fleet and one time zone.
#[derive(Debug)]
pub struct ZonedPolicy<'a> {
    /// Parsed policy.
    pub policy: &'a Policy,
    /// Version that the clients should run; `None` if the mode is `NoUpgrade` or the package is
    /// unknown.
    pub target: Option<Target<'a>>,
    /// Time zone that applies to the clients: the policy's if it sets one, otherwise the client's,
    /// otherwise the fleet's.
    pub zone: &'a ZoneFact,
    openings: Openings<'a>,
    answers: Rc<PhaseResults>,
}

/// The version that a client should run, with its availability on the server.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Version as written in the policy or the fleet.
    pub version: &'a VersionText,
    /// Whether the version must never be offered again.
    pub withdrawn: bool,
    /// Whether the server can distribute the version.
    pub available: bool,
}

impl<'a> ZonedPolicy<'a> {
    /// Resolves `policy` for a fleet with the package `package`. `zone` is the client's time zone,
    /// or the fleet's if the client has none.
    #[must_use]
    pub fn new(policy: &'a Policy, package: &'a Package, zone: &'a ZoneFact) -> Self {
        Self::with(policy, package, zone, |_| Rc::default())
    }

    /// Resolves a policy like [`ZonedPolicy::new`], but uses a phase cache that all fleets share.
    /// `answers` returns the cached results for a time zone.
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

    /// Returns the distribution phase at `t`.
    #[must_use]
    pub fn phase_at(&self, t: Timestamp) -> Phase {
        self.answers.phase(self.openings, t)
    }

    /// Returns the first instant at or after `t` at which distribution is open; `None` if there is
    /// none.
    #[must_use]
    pub fn next_opening(&self, t: Timestamp) -> Option<Timestamp> {
        self.answers.instant(RangeQuery::NextOpening, self.openings, t)
    }

    /// Returns the first instant after `t` at which distribution is closed; `None` if distribution
    /// is closed at `t` or never closes after `t`.
    #[must_use]
    pub fn next_closing(&self, t: Timestamp) -> Option<Timestamp> {
        self.answers.instant(RangeQuery::NextClosing, self.openings, t)
    }

    /// Returns the first instant after `t` at which the phase changes; `None` if there is none.
    #[must_use]
    pub fn phase_ends(&self, t: Timestamp) -> Option<Timestamp> {
        self.answers.instant(RangeQuery::PhaseEnds, self.openings, t)
    }

    /// Returns the instant from which distribution has ended for good; `None` without `notAfter`.
    #[must_use]
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.answers.end(self.openings)
    }

    /// Returns the openings that end after `t`, like [`Openings::openings_from`].
    pub fn openings_from(
        &self,
        t: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Option<Timestamp>)> + use<'_> {
        self.openings.openings_from(t)
    }

    /// Returns the first exclusion of the policy that contains the local date of `t`; `None` if
    /// there is none.
    #[must_use]
    pub fn exclusion_at(&self, t: Timestamp) -> Option<&Exclusion> {
        self.openings.exclusion_at(t)
    }
}
