//! Whether this process leads, and until when: asked right before each write is sent. It knows
//! neither leases nor clocks but the moment that it is asked at.

use tokio::sync::watch;

use super::moment::Moment;

/// The right to write. A clone tells of the same process.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Sender<Term>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    /// Another leads, or nobody.
    None,
    /// Until then, unless it is renewed.
    Until(Moment),
    /// There is nobody to lead but this process.
    Undisputed,
}

impl Leadership {
    /// Of a process that runs alone.
    #[must_use]
    pub fn undisputed() -> Self {
        Self(watch::Sender::new(Term::Undisputed))
    }

    /// Of a process that has yet to win it.
    #[must_use]
    pub fn none() -> Self {
        Self(watch::Sender::new(Term::None))
    }

    /// Whether a write may be sent at `now`. Once the answer is no, it stays so until the lease is won
    /// anew: a process that was stopped for a while finds its term over before it knows of anything
    /// else.
    #[must_use]
    pub fn may_write_at(&self, now: Moment) -> bool {
        match *self.0.borrow() {
            Term::None => false,
            Term::Until(end) => now < end,
            Term::Undisputed => true,
        }
    }

    /// Returns when this process leads.
    pub async fn won(&self) {
        // The sender is in our own hand: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|term| *term != Term::None).await;
    }

    /// It leads until then; with `None` it does not.
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
        assert!(Leadership::undisputed().may_write_at(at(1_000_000)));
    }
}
