//! Parses the facts that the rules read about a client and its fleet's package, so that each fact
//! is parsed only once. This module does not depend on policies.

use std::cell::OnceCell;
use std::rc::Rc;

use super::allot::Standing;
use super::client_fields::ClientFields;
use super::client_index::ClientIndex;
use super::version_text::VersionText;
use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, Reported};
use crate::values::{Timestamp, Version, Zone, parse_rfc3339};

/// Facts about one client. An invalid time or an empty string counts as missing; a version that
/// cannot be parsed keeps its text.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Client as written in the spec.
    pub client: &'a Client,
    /// Version that the client runs.
    pub version: Option<Rc<VersionText>>,
    /// Version that takes effect at the next restart.
    pub staged: Option<Rc<VersionText>>,
    /// Version whose installation failed.
    pub failed_version: Option<Rc<VersionText>>,
    /// Time of the failed installation.
    pub failed_at: Option<Timestamp>,
    /// Time when the client was last seen.
    pub last_seen: Option<Timestamp>,
    /// Standing of the client in its namespace.
    pub standing: Standing,
    pub(super) searched: OnceCell<ClientIndex>,
}

/// Cache of parsed versions. Most clients report one of a few versions, so most versions are found
/// in the cache and need no parsing.
#[derive(Debug, Default)]
pub struct Versions(Vec<Rc<VersionText>>);

impl Versions {
    /// Maximum number of cached versions. With more versions, a lookup could take longer than
    /// parsing.
    const MAX_REMEMBERED: usize = 16;

    fn read(&mut self, text: Option<&Text>) -> Option<Rc<VersionText>> {
        let text = non_empty(text)?;
        if let Some(known) = self.0.iter().find(|known| known.raw == *text) {
            return Some(Rc::clone(known));
        }
        let read = Rc::new(VersionText::new(text.clone()));
        if self.0.len() < Self::MAX_REMEMBERED {
            self.0.push(Rc::clone(&read));
        }
        Some(read)
    }
}

/// Returns `text`; `None` if it is missing or empty.
#[must_use]
pub fn non_empty(text: Option<&Text>) -> Option<&Text> {
    text.filter(|text| !text.is_empty())
}

impl<'a> Facts<'a> {
    /// Parses the facts about a client.
    #[must_use]
    pub fn read(client: &'a Client) -> Self {
        Self::read_with(client, &mut Versions::default())
    }

    /// Parses the facts about a client. `versions` is a cache that several clients share.
    #[must_use]
    pub(crate) fn read_with(client: &'a Client, versions: &mut Versions) -> Self {
        let reported = client.reported.as_ref();
        let error = reported.and_then(|r| r.last_error.as_deref());
        Self {
            client,
            version: versions.read(reported.and_then(|r| r.version.as_ref())),
            staged: versions.read(reported.and_then(|r| r.staged_version.as_ref())),
            failed_version: versions.read(error.and_then(|e| e.version.as_ref())),
            failed_at: error.and_then(|e| parse_rfc3339(e.time.as_ref()?)),
            last_seen: reported.and_then(|r| parse_rfc3339(r.last_seen.as_ref()?)),
            standing: Standing::Free,
            searched: OnceCell::new(),
        }
    }

    /// Returns a copy of the facts without `lastSeen`, so that the client never counts as offline.
    #[must_use]
    pub(crate) fn ever_present(&self) -> Self {
        let Self {
            client,
            version,
            staged,
            failed_version,
            failed_at,
            last_seen: _,
            standing,
            searched: _,
        } = self;
        Self {
            client,
            version: version.clone(),
            staged: staged.clone(),
            failed_version: failed_version.clone(),
            failed_at: *failed_at,
            last_seen: None,
            standing: *standing,
            searched: OnceCell::new(),
        }
    }

    /// Returns the facts as they would be if the client ran `version`, with nothing staged, no failed
    /// installation and no time when it was last seen.
    #[must_use]
    pub(super) fn running(&self, version: Rc<VersionText>) -> Self {
        Self {
            client: self.client,
            version: Some(version),
            staged: None,
            failed_version: None,
            failed_at: None,
            last_seen: None,
            standing: Standing::Free,
            searched: OnceCell::new(),
        }
    }

    /// Returns the value that the client has reported for a field; `None` if the value is missing
    /// or empty.
    #[must_use]
    pub fn reported(&self, field: fn(&Reported) -> Option<&Text>) -> Option<&'a Text> {
        non_empty(self.client.reported.as_ref().and_then(field))
    }

    /// Returns the fields of the client that selectors compare. The first call folds the case of
    /// the texts and caches the result.
    #[must_use]
    pub fn subject(&self) -> ClientFields<'_> {
        let alone = || ClientIndex::of(std::slice::from_ref(self.client));
        self.searched.get_or_init(alone).subject(0, self.client, self.parsed_version())
    }

    /// Returns the version that the client runs; `None` if it is missing or cannot be parsed.
    #[must_use]
    pub(crate) fn parsed_version(&self) -> Option<&Version> {
        self.version.as_ref().and_then(|version| version.parsed.as_ref())
    }

    /// Returns whether a version other than the running one takes effect at the next restart.
    #[must_use]
    pub fn other_version_is_staged(&self) -> bool {
        match (&self.staged, &self.version) {
            (Some(staged), Some(version)) => !staged.is_same_as(version),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Result of a time zone lookup by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneFact {
    /// No time zone is set.
    Missing,
    /// A time zone is set, but its name is not a known IANA name.
    Unknown,
    /// The time zone is known.
    Known(Zone),
}

impl ZoneFact {
    /// Looks up a time zone by its name; an empty name counts as missing.
    #[must_use]
    pub fn read(name: Option<&Text>) -> Self {
        let Some(name) = non_empty(name) else { return Self::Missing };
        Zone::named(name).map_or(Self::Unknown, Self::Known)
    }

    /// Returns the time zone if it is known.
    #[must_use]
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Known(zone) => Some(zone),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// The package on a fleet's server, with the retained and withdrawn versions.
#[derive(Debug, Default)]
pub struct Package {
    /// Version of the package; `None` if none is set or `packageFrom` cannot be resolved.
    pub current: Option<VersionText>,
    /// Older versions that the server can still distribute.
    pub retained: Vec<VersionText>,
    /// Versions that must never be offered again.
    pub withdrawn: Vec<VersionText>,
}

/// Returns the spec that sets the package, of the fleet itself or of the fleet that `packageFrom`
/// names; `None` if the fleet sets both `packageVersion` and `packageFrom`, or neither.
///
/// A fleet that `packageFrom` names counts as missing if it also sets `packageFrom`, so that
/// references cannot form a chain.
#[must_use]
pub(crate) fn package_spec<'a>(
    spec: &'a ClientFleetSpec,
    source: Option<&'a ClientFleetSpec>,
) -> Option<&'a ClientFleetSpec> {
    match (&spec.package_version, &spec.package_from) {
        (Some(_), None) => Some(spec),
        (None, Some(_)) => source.filter(|source| source.package_from.is_none()),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

impl Package {
    /// Resolves a fleet's package. `source` is the spec of the fleet that `packageFrom` names, if
    /// that fleet exists and its spec can be read.
    #[must_use]
    pub fn read(spec: &ClientFleetSpec, source: Option<&ClientFleetSpec>) -> Self {
        let spelled = |list: &Option<Vec<Text>>| -> Vec<VersionText> {
            list.iter().flatten().cloned().map(VersionText::new).collect()
        };
        let mut withdrawn = spelled(&spec.withdrawn_versions);
        let Some(carrier) = package_spec(spec, source) else {
            return Self { withdrawn, ..Self::default() };
        };
        if spec.package_from.is_some() {
            withdrawn.extend(spelled(&carrier.withdrawn_versions));
        }
        Self {
            current: VersionText::reported(carrier.package_version.as_ref()),
            retained: spelled(&carrier.retained_versions),
            withdrawn,
        }
    }

    /// Returns the version of the package if it can be parsed.
    #[must_use]
    pub fn readable(&self) -> Option<&VersionText> {
        self.current.as_ref().filter(|package| package.parsed.is_some())
    }

    /// Returns whether `version` must never be offered again.
    #[must_use]
    pub(crate) fn has_withdrawn(&self, version: &VersionText) -> bool {
        self.withdrawn.iter().any(|withdrawn| withdrawn.is_same_as(version))
    }

    /// Returns whether the server can distribute `version`.
    #[must_use]
    pub fn offers(&self, version: &VersionText) -> bool {
        self.current.iter().chain(&self.retained).any(|package| package.is_same_as(version))
    }
}
