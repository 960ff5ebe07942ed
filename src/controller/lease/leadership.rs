//! Records whether this process leads; code that writes to the cluster checks this record
//! immediately before each write.
//!
//! The module sends no lease requests and reads no clock; the caller passes the current moment.

use tokio::sync::watch;

use super::moment::Moment;

/// Record of whether this process leads; a process that does not lead must not write. All clones
/// share one state.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Sender<Term>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    /// This process does not lead.
    None,
    /// The process leads until this moment. A renewal of the lease extends the term.
    Until(Moment),
    /// The process is the only replica and always leads.
    Alone,
}

impl Leadership {
    /// Creates the leadership of a process that is the only replica.
    #[must_use]
    pub fn alone() -> Self {
        Self(watch::Sender::new(Term::Alone))
    }

    /// Creates the leadership of a process that has not yet won an election.
    #[must_use]
    pub fn none() -> Self {
        Self(watch::Sender::new(Term::None))
    }

    /// Returns whether this process may send a write at `now`. Compares `now` with the end of the
    /// term, because the process may have been suspended when the term ended.
    #[must_use]
    pub(crate) fn may_write_at(&self, now: Moment) -> bool {
        match *self.0.borrow() {
            Term::None => false,
            Term::Until(end) => now < end,
            Term::Alone => true,
        }
    }

    /// Returns whether this process is the only replica.
    #[must_use]
    pub(crate) fn is_alone(&self) -> bool {
        *self.0.borrow() == Term::Alone
    }

    /// Waits until this process leads.
    pub(crate) async fn won(&self) {
        // `self` keeps the sender alive, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|term| *term != Term::None).await;
    }

    /// Sets the end of the current term; `None` means that this process does not lead.
    pub fn lasts_until(&self, end: Option<Moment>) {
        let term = end.map_or(Term::None, Term::Until);
        self.0.send_if_modified(|now| std::mem::replace(now, term) != term);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_term_ends_by_itself() {
        let at = |seconds| Moment::at(Duration::from_secs(seconds));
        let leadership = Leadership::none();
        assert!(!leadership.may_write_at(at(0)));
        leadership.lasts_until(Some(at(10)));
        leadership.won().await;
        assert!(leadership.may_write_at(at(9)) && !leadership.may_write_at(at(10)));
        leadership.clone().lasts_until(Some(at(12)));
        assert!(leadership.may_write_at(at(11)));
        leadership.lasts_until(None);
        assert!(!leadership.may_write_at(at(11)));
        assert!(Leadership::alone().may_write_at(at(1_000_000)));
    }
}
