//! Defines the content of a Lease in the fields that client-go's leader election uses.
//!
//! Tools such as `kubectl get lease` therefore show the lease like that of any other controller.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;

/// Annotation that contains the mark of the lease holder. The mark distinguishes processes with the
/// same name.
pub(crate) const MARK_ANNOTATION: &str = "clientfleet.dev/process";

/// Unix time in microseconds, from the wall clock of the process that wrote the lease. It only
/// informs users: the program never compares two such times.
pub type Stamp = i64;

/// The content of a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The lease holder; `None` if the lease was released.
    pub holder: Option<String>,
    /// Mark of the holder, which distinguishes processes with the same name.
    pub mark: Option<String>,
    /// Lease duration in seconds: the time after a renewal during which no other process may take
    /// the lease.
    pub seconds: i32,
    /// Time when the holder took the lease.
    pub acquired: Option<Stamp>,
    /// Time of the last renewal.
    pub renewed: Option<Stamp>,
    /// Number of times that the holder has changed.
    pub transitions: i32,
}

/// A lease as read from the API server, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// resourceVersion of the lease, which changes with each write.
    pub version: String,
    /// Content of the lease.
    pub record: Record,
}

impl Found {
    /// Reads the version and the content of a Lease.
    #[must_use]
    pub fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let stamp = |time: Option<MicroTime>| time.map(|time| time.0.as_microsecond());
        Self {
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
            record: Record {
                holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
                mark: lease.annotations().get(MARK_ANNOTATION).cloned(),
                seconds: spec.lease_duration_seconds.unwrap_or_default(),
                acquired: stamp(spec.acquire_time),
                renewed: stamp(spec.renew_time),
                transitions: spec.lease_transitions.unwrap_or_default(),
            },
        }
    }
}

impl Record {
    /// Writes the record into a Lease, and leaves all other fields unchanged.
    pub(crate) fn write_into(&self, lease: &mut Lease) {
        let time = |stamp: Option<Stamp>| {
            stamp.and_then(|stamp| Timestamp::from_microsecond(stamp).ok()).map(MicroTime)
        };
        let annotations = lease.metadata.annotations.get_or_insert_default();
        match &self.mark {
            Some(mark) => annotations.insert(MARK_ANNOTATION.to_owned(), mark.clone()),
            None => annotations.remove(MARK_ANNOTATION),
        };
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        spec.holder_identity = Some(self.holder.clone().unwrap_or_default());
        spec.lease_duration_seconds = Some(self.seconds);
        spec.acquire_time = time(self.acquired);
        spec.renew_time = time(self.renewed);
        spec.lease_transitions = Some(self.transitions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_left() {
        let record = Record {
            holder: Some("one".to_owned()),
            mark: Some("ab12".to_owned()),
            seconds: 15,
            acquired: Some(1_795_000_000_123_456),
            renewed: Some(1_795_000_001_000_001),
            transitions: 3,
        };
        let mut lease = Lease::default();
        lease.metadata.resource_version = Some("7".to_owned());
        lease.metadata.labels = Some([("of".to_owned(), "somebody".to_owned())].into());
        lease.metadata.annotations = Some([("of".to_owned(), "somebody".to_owned())].into());
        let before = lease.metadata.clone();
        record.write_into(&mut lease);
        assert_eq!(Found::of(&lease), Found { version: "7".to_owned(), record: record.clone() });
        let given_back = Record { holder: None, mark: None, ..record };
        given_back.write_into(&mut lease);
        assert_eq!(lease.metadata, before);
        assert_eq!(lease.spec.as_ref().unwrap().holder_identity.as_deref(), Some(""));
        assert_eq!(Found::of(&lease).record, given_back);
    }
}
