//! Compares the entries of one client name in several fleets, as specified in sections 8.2 and 8.12
//! of the design.

use super::{Client, Fleet, Oracle};

const WEEK: i64 = 7 * 86400;

/// What the entries of other fleets mean for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No other fleet lists the client, or this entry decides.
    Decides,
    /// The entry of another fleet decides.
    Elsewhere,
    /// Several fleets list the client and no entry decides.
    Undecided,
}

/// The entry of a client in one fleet.
#[derive(Clone, Copy)]
struct Entry<'a> {
    fleet: &'a Fleet,
    /// Time at which the client was last seen; `None` if it is missing or cannot be read.
    seen: Option<i64>,
}

impl Entry<'_> {
    /// Returns whether this entry decides at the instant `t` although `others` exist.
    fn decides(&self, others: &[Self], t: i64) -> bool {
        let seen = |entry: &Self| entry.seen.map(|seen| seen.min(t));
        let is_later = |other: &Self| {
            seen(self).zip(seen(other)).is_some_and(|(own, other)| own >= other + WEEK)
        };
        others.iter().all(is_later)
    }
}

impl Oracle {
    /// Returns the entries of the client `name` in all fleets except `without`.
    fn entries_without<'a>(&'a self, without: &Fleet, name: &str) -> Vec<Entry<'a>> {
        let others = self.estate.fleets.iter().filter(|fleet| fleet.name != without.name);
        let entry = |fleet: &'a Fleet| {
            let Fleet { clients, listed, .. } = fleet;
            let seen = clients.iter().find(|client| client.name == name).map(|client| client.seen);
            let unread = listed.iter().any(|listed| listed == name).then_some(None);
            seen.or(unread).map(|seen| Entry { fleet, seen })
        };
        others.filter_map(entry).collect()
    }

    /// Returns the standing of a client at the instant `t`.
    pub fn standing(&self, fleet: &Fleet, client: &Client, t: i64) -> Standing {
        let others = self.entries_without(fleet, &client.name);
        let stays = others.iter().any(|other| !other.fleet.deleting);
        if fleet.deleting && stays {
            return Standing::Elsewhere;
        }
        let others: Vec<Entry<'_>> =
            others.into_iter().filter(|other| fleet.deleting || !other.fleet.deleting).collect();
        let own = Entry { fleet, seen: client.seen };
        if own.decides(&others, t) {
            return Standing::Decides;
        }
        let beats_the_rest = |entry: &Entry<'_>| {
            let rest = others.iter().filter(|other| other.fleet.name != entry.fleet.name);
            let rest: Vec<Entry<'_>> = rest.copied().chain([own]).collect();
            entry.decides(&rest, t)
        };
        if others.iter().any(beats_the_rest) { Standing::Elsewhere } else { Standing::Undecided }
    }
}
