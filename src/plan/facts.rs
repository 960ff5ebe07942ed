//! What the rules look at in one client and in its fleet's package, read once. Knows nothing of
//! policies.

use std::cell::OnceCell;
use std::rc::Rc;

use chrono::{DateTime, NaiveDate};

use super::client_index::ClientIndex;
use super::scope::ClientFields;
use super::version_text::VersionText;
use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, Reported};
use crate::values::{Timestamp, Zone};

/// The facts about one client. What cannot be read is there as unreadable or counts as missing, by
/// the rule that needs it; an empty string counts as absent.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The client as it is written.
    pub client: &'a Client,
    /// The version it runs.
    pub version: Option<Rc<VersionText>>,
    /// The version its next restart brings.
    pub staged: Option<Rc<VersionText>>,
    /// The version that could not be installed.
    pub failed_version: Option<Rc<VersionText>>,
    /// When that was.
    pub failed_at: Option<Timestamp>,
    /// When it was last seen.
    pub last_seen: Option<Timestamp>,
    searched: OnceCell<ClientIndex>,
}

/// The versions that clients report, each read once: most have one of a few.
#[derive(Debug, Default)]
pub struct Versions(Vec<Rc<VersionText>>);

impl Versions {
    /// So many are remembered: looking for one must not take longer than reading it.
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

/// A string of a client, an empty one counting as absent.
#[must_use]
pub fn non_empty(text: Option<&Text>) -> Option<&Text> {
    text.filter(|text| !text.is_empty())
}

/// Reads a reported instant, dropping fractions of a second; `None` where it is not RFC 3339.
fn instant(text: Option<&Text>) -> Option<Timestamp> {
    let text = text?;
    plain_instant(text.as_bytes()).or_else(|| {
        let instant = DateTime::parse_from_rfc3339(text).ok()?;
        DateTime::from_timestamp(instant.timestamp(), 0)
    })
}

/// Reads `2026-11-20T08:15:00Z`, as nearly all write it, several times faster than what reads every
/// form; `None` for any other.
fn plain_instant(text: &[u8]) -> Option<Timestamp> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b'Z',
    ] = *text
    else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number: u32, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?;
    let time = date.and_hms_opt(number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?)?;
    Some(time.and_utc())
}

impl<'a> Facts<'a> {
    /// Reads a client.
    #[must_use]
    pub fn read(client: &'a Client) -> Self {
        Self::read_with(client, &mut Versions::default())
    }

    /// Reads a client, of several that have versions in common.
    #[must_use]
    pub fn read_with(client: &'a Client, versions: &mut Versions) -> Self {
        let reported = client.reported.as_ref();
        let error = reported.and_then(|r| r.last_error.as_deref());
        Self {
            client,
            version: versions.read(reported.and_then(|r| r.version.as_ref())),
            staged: versions.read(reported.and_then(|r| r.staged_version.as_ref())),
            failed_version: versions.read(error.and_then(|e| e.version.as_ref())),
            failed_at: instant(error.and_then(|e| e.time.as_ref())),
            last_seen: instant(reported.and_then(|r| r.last_seen.as_ref())),
            searched: OnceCell::new(),
        }
    }

    /// The same client, were it not known when it was last seen.
    #[must_use]
    pub fn ever_present(&self) -> Self {
        Self {
            version: self.version.clone(),
            staged: self.staged.clone(),
            failed_version: self.failed_version.clone(),
            last_seen: None,
            searched: OnceCell::new(),
            ..*self
        }
    }

    /// Something reported about it.
    #[must_use]
    pub fn reported(&self, field: fn(&Reported) -> Option<&Text>) -> Option<&'a Text> {
        non_empty(self.client.reported.as_ref().and_then(field))
    }

    /// What scopes look at. Case is folded at the first call, for whoever needs it.
    #[must_use]
    pub fn subject(&self) -> ClientFields<'_> {
        let alone = || ClientIndex::of(std::slice::from_ref(self.client));
        self.searched.get_or_init(alone).subject(0, self.client)
    }

    /// Whether another version than the one it runs takes effect at its next restart.
    #[must_use]
    pub fn other_version_is_staged(&self) -> bool {
        match (&self.staged, &self.version) {
            (Some(staged), Some(version)) => !staged.is_same_as(version),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// A time zone as it is known of a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneFact {
    /// Nobody names one.
    Missing,
    /// The one that counts is not an IANA name.
    Unknown,
    /// It is known.
    Known(Zone),
}

impl ZoneFact {
    /// Reads a name; an empty one counts as absent.
    #[must_use]
    pub fn read(name: Option<&Text>) -> Self {
        let Some(name) = non_empty(name) else { return Self::Missing };
        Zone::named(name).map_or(Self::Unknown, Self::Known)
    }

    /// The zone, if it is known.
    #[must_use]
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Known(zone) => Some(zone),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// The package that a fleet's server carries, with what else it can and must not distribute.
#[derive(Debug, Default)]
pub struct Package {
    /// The package; `None` where none is named or `packageFrom` leads nowhere.
    pub current: Option<VersionText>,
    /// Older ones that the server can distribute.
    pub retained: Vec<VersionText>,
    /// Those that must never be offered again.
    pub withdrawn: Vec<VersionText>,
}

/// The spec, the fleet's own or its source's, that names the package. A source with a `packageFrom`
/// of its own leads nowhere: nothing of it counts, so that no chain can grow. Neither does a fleet
/// that names both or neither.
#[must_use]
pub fn package_spec<'a>(
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
    /// Reads a fleet's package; `source` is the spec that its `packageFrom` names, if there is such
    /// a fleet and it can be read.
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

    /// The package, if it can be read.
    #[must_use]
    pub fn readable(&self) -> Option<&VersionText> {
        self.current.as_ref().filter(|package| package.parsed.is_some())
    }

    /// Whether `version` must never be offered again.
    #[must_use]
    pub fn has_withdrawn(&self, version: &VersionText) -> bool {
        self.withdrawn.iter().any(|withdrawn| withdrawn.is_same_as(version))
    }

    /// Whether the server can distribute `version`.
    #[must_use]
    pub fn offers(&self, version: &VersionText) -> bool {
        self.current.iter().chain(&self.retained).any(|package| package.is_same_as(version))
    }
}
