//! Records what a connection is waiting for, and decides when it has waited too long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::time::Instant;

use super::FrontLimits;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The TLS handshake.
    Handshake,
    /// The rest of a request head, or the first head of the connection.
    Head,
    /// The next request.
    Idle,
    /// The service, or the next bytes of its response.
    Response,
    /// The end of a request that is discarded.
    Linger,
}

/// The activity of one connection. The task of the connection records it; others may read it and
/// ask the task to close the connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<ActivityState>,
    is_close_requested: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Debug)]
struct ActivityState {
    phase: Phase,
    /// Time of the last progress in this phase.
    since: Instant,
    /// True while the peer does not take the bytes that are written. The kernel limits this time.
    is_blocked: bool,
    /// True if the peer may have sent bytes that were not read.
    has_unread_bytes: bool,
}

impl Activity {
    pub fn new(phase: Phase) -> Self {
        Self {
            state: Mutex::new(ActivityState {
                phase,
                since: Instant::now(),
                is_blocked: false,
                has_unread_bytes: false,
            }),
            is_close_requested: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Records that the connection waits for something else from now on.
    pub fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.phase = phase;
        state.since = Instant::now();
    }

    /// Records that bytes of the peer were read.
    pub fn note_read(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Idle => {
                state.phase = Phase::Head;
                state.since = Instant::now();
                state.has_unread_bytes = true;
            }
            Phase::Head => state.has_unread_bytes = true,
            Phase::Handshake | Phase::Response | Phase::Linger => {}
        }
    }

    /// Records the result of a write: whether the peer must take bytes before more can be written.
    pub fn note_write(&self, is_blocked: bool) {
        let mut state = self.state();
        if state.is_blocked && !is_blocked {
            state.since = Instant::now();
        }
        state.is_blocked = is_blocked;
    }

    /// Records that the head of a request is complete.
    pub fn begin_response(&self, has_body: bool) {
        let mut state = self.state();
        state.phase = Phase::Response;
        state.since = Instant::now();
        state.has_unread_bytes = has_body;
    }

    /// Records that the service has produced bytes of the response.
    pub fn note_produced(&self) {
        self.state().since = Instant::now();
    }

    /// Returns whether the peer may have sent bytes that were not read.
    pub fn has_unread_bytes(&self) -> bool {
        self.state().has_unread_bytes
    }

    /// Returns the phase, and when it ends because of a timeout.
    pub fn deadline(&self, limits: &FrontLimits) -> (Phase, Option<Instant>) {
        let state = self.state();
        let timeout: Duration = match state.phase {
            Phase::Handshake => limits.handshake_timeout,
            Phase::Head => limits.head_timeout,
            Phase::Idle => limits.idle_timeout,
            Phase::Response => limits.stall_timeout,
            Phase::Linger => limits.linger_timeout,
        };
        (state.phase, (!state.is_blocked).then(|| state.since + timeout))
    }

    /// Returns since when the connection has no request in progress. Returns `None` if it has one, or
    /// if it closes anyway.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let is_idle = matches!(state.phase, Phase::Handshake | Phase::Head | Phase::Idle);
        (is_idle && !state.is_blocked && !self.is_close_requested()).then_some(state.since)
    }

    /// Asks the connection to close after the request in progress.
    pub fn request_close(&self) {
        self.is_close_requested.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub fn is_close_requested(&self) -> bool {
        self.is_close_requested.load(Ordering::Acquire)
    }

    /// Registers the task of the connection, which [`Self::request_close`] wakes.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    fn state(&self) -> MutexGuard<'_, ActivityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
