//! Lists the settings that an administrator can currently choose for a policy.

use std::borrow::Cow;

use super::policy::Policy;
use super::version_text::VersionText;
use crate::api::policy::{Mode, Setting};

/// Maximum number of versions in the available settings. The locked version always remains; of the
/// other versions, the lowest are removed.
const MAX_VERSIONS: usize = 20;

/// Returns the settings that are available for a policy: no upgrade, automatic upgrade, then the
/// valid versions among the locked version and the package versions of its fleets, in ascending
/// order.
///
/// Equal versions appear once, in the spelling of the locked version or else in the first spelling
/// in `packages`, which must be in order of fleet name.
pub fn available_settings<'a>(
    policy: &'a Policy,
    packages: impl Iterator<Item = &'a VersionText>,
) -> Vec<Setting> {
    let mut versions: Vec<&VersionText> = Vec::new();
    for version in policy.lock.iter().chain(packages).filter(|v| v.parsed.is_some()) {
        if !versions.iter().any(|known| known.is_same_as(version)) {
            versions.push(version);
        }
    }
    versions.sort_by(|a, b| a.parsed.cmp(&b.parsed));
    while versions.len() > MAX_VERSIONS {
        let is_lock = |v: &VersionText| policy.lock.as_ref().is_some_and(|lock| lock.is_same_as(v));
        let lowest = versions.iter().position(|version| !is_lock(version)).unwrap_or(0);
        versions.remove(lowest);
    }
    let setting = |mode: Mode, version: Option<&VersionText>| Setting {
        mode: Cow::Borrowed(mode.as_str()),
        version: version.map(|version| version.raw.clone()),
    };
    let modes = [setting(Mode::NoUpgrade, None), setting(Mode::AutoUpgrade, None)];
    let locks = versions.into_iter().map(|version| setting(Mode::OnlyUpgradeTo, Some(version)));
    modes.into_iter().chain(locks).collect()
}
