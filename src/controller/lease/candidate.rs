//! Runs a candidate for leader election: sends the requests of an [`Election`] to the API server
//! and updates the leadership. The [`Election`] makes all decisions.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::oneshot;

use super::election::{Answer, Election, Loss, Request, Step};
use super::leadership::Leadership;
use super::moment::Moment;
use super::record::Found;
use super::times::Times;
use crate::cluster::connection::{ClusterAccess, with_causes};
use crate::controller::health::{Health, Role};

/// Configuration of a candidate: the lease, the candidate's name, and the durations for leader
/// election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// Namespace of the lease.
    pub namespace: String,
    /// Name of the lease.
    pub name: String,
    /// Name of this process, recorded in the lease while this process is the holder.
    pub identity: String,
    /// Random text that identifies this process. It distinguishes processes that use the same name
    /// in the lease.
    pub mark: String,
    /// Lease duration, renew deadline and retry period.
    pub times: Times,
}

/// Error with which a process ends after it has lost its leadership.
#[derive(Debug, thiserror::Error)]
#[error("{loss}; this process writes nothing more and ends, to be started anew{}", because(cause.as_ref()))]
pub struct LeadershipLost {
    /// Reason for the loss.
    pub loss: Loss,
    /// Unexpected error of the last request to the API server, if there was one.
    pub cause: Option<String>,
}

fn because(cause: Option<&String>) -> String {
    cause.map_or_else(String::new, |cause| format!("; the last error: {cause}"))
}

/// A process that takes part in leader election.
pub struct Candidate {
    api: Api<Lease>,
    candidacy: Candidacy,
    election: Election,
    leadership: Leadership,
    health: Health,
    /// The lease as last read or written. Each write starts from this copy, so that it preserves
    /// the fields that this program does not use.
    lease: Option<Lease>,
    last_error: Option<String>,
    logged_holder: Option<String>,
}

/// Creates a separate client, so that lease requests do not wait behind other requests of the
/// controller. The client has no automatic retries, and its timeouts end a dead connection before
/// the renew deadline.
///
/// # Errors
///
/// Returns a message if the client cannot be created.
pub fn client(mut access: ClusterAccess, times: Times) -> Result<Client, String> {
    let config = &mut access.config;
    config.connect_timeout = Some(times.request_timeout());
    config.read_timeout = Some(times.request_timeout());
    config.write_timeout = Some(times.request_timeout());
    access.client()
}

impl Candidate {
    /// Creates a candidate that updates `leadership` and `health`. The argument `client` must come
    /// from the function [`client`].
    #[must_use]
    pub fn new(
        client: Client,
        candidacy: Candidacy,
        leadership: Leadership,
        health: Health,
    ) -> Self {
        health.is(Role::Standby);
        Self {
            api: Api::namespaced(client, &candidacy.namespace),
            election: Election::new(
                candidacy.identity.clone(),
                candidacy.mark.clone(),
                candidacy.times,
            ),
            candidacy,
            leadership,
            health,
            lease: None,
            last_error: None,
            logged_holder: None,
        }
    }

    /// Runs the candidate: competes for the lease, renews it while this process leads, and releases
    /// it after a message on `retire`. The sender must finish all its writes before it sends the
    /// message.
    ///
    /// # Errors
    ///
    /// Returns an error if this process has lost its leadership. The process must then end.
    pub async fn run(mut self, mut retire: oneshot::Receiver<()>) -> Result<(), LeadershipLost> {
        let mut is_retiring = false;
        loop {
            let sent = Moment::now();
            let step = self.election.next(sent, jiff::Timestamp::now().as_microsecond());
            let work = async {
                match step {
                    Step::Done => Some(Ok(())),
                    Step::StepDown(loss) => Some(Err(loss)),
                    Step::Wait(until) => {
                        tokio::time::sleep(until.since(sent)).await;
                        None
                    }
                    Step::Ask(request) => {
                        let answer = self.ask(&request, sent).await;
                        self.election.answered(&request, sent, Moment::now(), answer);
                        self.report(&request);
                        None
                    }
                }
            };
            let ended = if is_retiring {
                work.await
            } else {
                tokio::select! {
                    ended = work => ended,
                    retired = &mut retire => {
                        // Do not release the lease if the sender was dropped without a message,
                        // because writes may still be in progress.
                        if retired.is_err() {
                            return std::future::pending().await;
                        }
                        is_retiring = true;
                        self.leadership.lasts_until(None);
                        self.election.retire();
                        None
                    }
                }
            };
            match ended {
                None => {}
                Some(Ok(())) => return Ok(()),
                Some(Err(loss)) => {
                    self.leadership.lasts_until(None);
                    self.health.is(Role::Standby);
                    return Err(LeadershipLost { loss, cause: self.last_error.take() });
                }
            }
        }
    }

    /// Sends a request and waits for the answer until the request timeout or the end of the current
    /// leadership, whichever comes first.
    async fn ask(&mut self, request: &Request, sent: Moment) -> Answer {
        let patience = self.candidacy.times.request_timeout();
        let left = self.election.leads_until().map_or(patience, |until| until.since(sent));
        let answer = tokio::time::timeout(patience.min(left), self.send(request)).await;
        let (answer, trouble) = match answer {
            Ok(Ok(Some(lease))) => {
                let found = Found::of(&lease);
                self.lease = Some(lease);
                (Answer::Found(found), None)
            }
            Ok(Ok(None)) => (Answer::Missing, None),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => (Answer::Missing, None),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => (Answer::Conflict, None),
            Ok(Err(error)) => (Answer::Failed, Some(with_causes(&error))),
            Err(_) => (Answer::Failed, Some(format!("no answer within {patience:?}"))),
        };
        if let Some(trouble) = &trouble
            && self.last_error.as_ref() != Some(trouble)
        {
            let Candidacy { namespace, name, .. } = &self.candidacy;
            tracing::warn!(namespace, lease = name, error = trouble, "the lease is out of reach");
        }
        self.last_error = trouble;
        answer
    }

    async fn send(&self, request: &Request) -> kube::Result<Option<Lease>> {
        let parameters = PostParams::default();
        let name = &self.candidacy.name;
        match request {
            Request::Read => self.api.get_opt(name).await,
            Request::Create(record) => {
                let mut lease = Lease::default();
                lease.metadata.name = Some(name.clone());
                record.write_into(&mut lease);
                self.api.create(&parameters, &lease).await.map(Some)
            }
            Request::Replace { version, record } => {
                let mut lease = self.lease.clone().unwrap_or_default();
                lease.metadata.name = Some(name.clone());
                lease.metadata.resource_version = Some(version.clone());
                record.write_into(&mut lease);
                self.api.replace(name, &parameters, &lease).await.map(Some)
            }
        }
    }

    /// Updates the leadership, the health and the log after a request. The leadership is updated
    /// first, because it determines how long this process may write.
    fn report(&mut self, request: &Request) {
        let leads_until = self.election.leads_until();
        self.leadership.lasts_until(leads_until);
        let Candidacy { namespace, name, identity, .. } = &self.candidacy;
        if leads_until.is_some() {
            if self.health.now().role != Role::Leading {
                tracing::info!(namespace, lease = name, identity, "leading");
            }
            self.health.is(Role::Leading);
            if self.last_error.is_none() && !matches!(request, Request::Read) {
                self.health.renewed(chrono::Utc::now());
            }
        } else if let Some(holder) = self.election.holder()
            && self.logged_holder.as_deref() != Some(holder)
        {
            if self.election.holds() {
                tracing::info!(
                    namespace,
                    lease = name,
                    identity,
                    "there was no lease: it is made, and leads once nobody can believe in one that is gone"
                );
            } else {
                tracing::info!(namespace, lease = name, identity, holder, "standing by");
            }
            self.logged_holder = Some(holder.to_owned());
        }
    }
}
