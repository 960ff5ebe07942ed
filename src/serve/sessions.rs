//! Keeps the memory of the clients' requests, one entry for each client that has polled.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;

use crate::api::Text;
use crate::checkin::session::Session;
use crate::ddi::feedback::ErrorText;
use crate::ddi::{ActionId, FileName};

/// Number of parts with a lock of their own, so that requests of different clients rarely wait for
/// each other.
const SHARDS: usize = 32;

/// Memory of one client.
#[derive(Debug, Default)]
pub struct ClientMemory {
    /// What the client has done with its actions.
    pub session: Session,
    /// Last error in the messages about the current action.
    pub error: ErrorText,
    /// File that the client was linked to.
    pub linked: Option<Box<LinkedFile>>,
    /// Number of consecutive polls in which the client was asked for its attributes in vain.
    pub attribute_requests: u8,
}

/// File that a client was linked to. It stays the file of the action if the store has another one
/// later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedFile {
    /// Action of the link.
    pub action: ActionId,
    /// Name of the file.
    pub file: FileName,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
}

type Shard = Mutex<HashMap<(Text, Text), ClientMemory, RandomState>>;

/// Memory of all clients. It is lost when the process ends.
#[derive(Debug)]
pub struct Sessions {
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()), hasher: RandomState::new() }
    }
}

impl Sessions {
    /// Calls `visit` with the memory of a client, which is created if it does not exist.
    pub fn with<T>(
        &self,
        namespace: &str,
        client: &str,
        visit: impl FnOnce(&mut ClientMemory) -> T,
    ) -> T {
        let key = (Text::from(namespace), Text::from(client));
        visit(self.shard(&key).entry(key).or_default())
    }

    /// Removes the memory of all clients that `keeps` does not hold for.
    pub fn retain(&self, keeps: impl Fn(&str, &str) -> bool) {
        for shard in &self.shards {
            lock(shard).retain(|(namespace, client), _| keeps(namespace, client));
        }
    }

    /// Returns the number of clients with a memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Returns whether no client has a memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(
        &self,
        key: &(Text, Text),
    ) -> MutexGuard<'_, HashMap<(Text, Text), ClientMemory, RandomState>> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        lock(&self.shards[at])
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
