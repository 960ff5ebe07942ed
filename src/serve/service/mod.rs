//! Answers the requests of agents. A request takes one way: [`callers`] decides who sends it,
//! [`visit`] looks up what is known about the client, and one method of [`Visit`] for each resource
//! ([`polls`], [`actions`], [`facts`], [`files`]) answers it by the decisions of
//! [`crate::checkin`].

mod actions;
pub mod callers;
mod facts;
mod files;
pub mod missing;
mod polls;
pub mod refusals;
mod responses;
mod visit;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use tokio::sync::watch;

use self::callers::{Callers, Refusal};
use self::missing::MissingPackages;
use self::refusals::RefusalLog;
use self::visit::{Known, Visit};
use super::audit::{AuditEvent, Auditor, LoggedReport, Subject};
use super::front::{Body, Peer, Service, read_body};
use super::metrics::Metrics;
use super::packages::{PackageCatalog, TransferLimits};
use super::peers::ReportIp;
use super::registry::Registry;
use super::reports::ReportDesk;
use super::sessions::Sessions;
use crate::api::Text;
use crate::checkin::messages::ClosedMeans;
use crate::checkin::poll::Intervals;
use crate::daemon::clock::Clock;
use crate::ddi::attributes::AttributeNames;
use crate::ddi::{ActionId, Agent, BaseUrl, RequestPath, Resource};
use crate::values::Timestamp;

/// Maximum time in which the body of a request must arrive.
const MAX_BODY_TIME: Duration = Duration::from_secs(30);

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// URL under which agents reach the service.
    pub base_url: BaseUrl,
    /// Intervals between polls.
    pub intervals: Intervals,
    /// Attributes that are facts about the client.
    pub attribute_names: AttributeNames,
    /// What a success that closes an action means.
    pub closed_means: ClosedMeans,
    /// Version of clients that cannot report one.
    pub initial_version: Option<Text>,
    /// Label of a client that chooses the variant of a package.
    pub variant_label: String,
    /// Address that is reported as that of the client.
    pub report_ip: ReportIp,
}

/// The service, as the front calls it.
pub struct DeliveryService {
    /// Settings.
    pub options: ServiceOptions,
    /// What requests are checked against.
    pub callers: Callers,
    /// Fleets and policies.
    pub registry: Arc<Registry>,
    /// Reports that are not stored yet.
    pub desk: Arc<ReportDesk>,
    /// Memory of the clients' requests.
    pub sessions: Arc<Sessions>,
    /// Packages that can be sent.
    pub catalog: watch::Receiver<Arc<PackageCatalog>>,
    /// Limits of all downloads.
    pub transfers: Arc<TransferLimits>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Audit lines.
    pub auditor: Auditor,
    /// Log of refused requests.
    pub refusals: RefusalLog,
    /// Log of targets without a package.
    pub missing: MissingPackages,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// When the process started.
    pub started: Timestamp,
}

impl Service for DeliveryService {
    async fn respond(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let response = self.answer(request, peer.address).await;
        self.metrics.responded(response.status().as_u16());
        response
    }
}

impl DeliveryService {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = match RequestPath::parse(head.uri.path()) {
            Ok(path) => path,
            Err(error) => {
                self.metrics.refused("path");
                return responses::text(StatusCode::NOT_FOUND, error);
            }
        };
        let caller = self.callers.namespace(&path.tenant, &path.client, &head.headers);
        let namespace = match caller {
            Ok(namespace) => namespace,
            Err(refusal) => return self.refuse(refusal, peer.ip(), &path),
        };
        let visit = Visit {
            service: self,
            namespace,
            tenant: &path.tenant,
            client: &path.client,
            agent: agent(&head.headers),
            ip: self.options.report_ip.of(peer.ip(), &head.headers),
        };
        visit.answer(&head.method, &head.headers, &path.resource, body).await
    }

    /// Refuses a request. The response is the same for each reason, so it does not show which clients
    /// exist.
    fn refuse(&self, refusal: Refusal, peer: IpAddr, path: &RequestPath) -> Response<Body> {
        self.metrics.refused(refusal.word());
        self.refusals.note(peer, refusal, path);
        responses::empty(StatusCode::UNAUTHORIZED)
    }
}

/// Reads the body of a request.
///
/// # Errors
/// Returns the response to a body that is too large, too slow or broken.
async fn body_of(body: Incoming, max_bytes: usize) -> Result<Bytes, Response<Body>> {
    let body = read_body(body, max_bytes, MAX_BODY_TIME).await;
    body.map_err(|error| responses::empty(error.status()))
}

fn agent(headers: &HeaderMap) -> Agent {
    let header = headers.get(USER_AGENT).map(|value| value.to_str().unwrap_or("?"));
    Agent::from_user_agent(header)
}

impl Visit<'_> {
    async fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
        resource: &Resource,
        body: Incoming,
    ) -> Response<Body> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match resource {
            Resource::Base if is_read => self.answer_poll().await,
            Resource::Deployment(id) if is_read => self.answer_deployment(*id).await,
            Resource::Cancel(id) if is_read => self.answer_cancel(*id).await,
            Resource::DeploymentFeedback(id) if *method == Method::POST => {
                self.take_feedback(*id, body).await
            }
            Resource::CancelFeedback(id) if *method == Method::POST => {
                self.take_cancel_feedback(*id, body).await
            }
            Resource::ConfigData if *method == Method::PUT => self.take_attributes(body).await,
            Resource::InstalledVersion if *method == Method::PUT => {
                self.take_installed_version(body).await
            }
            Resource::ArtifactList { version } if is_read => self.answer_file_list(version).await,
            Resource::Artifact { version, file } if is_read => {
                self.answer_file(method, headers, version, file).await
            }
            Resource::ArtifactMd5 { version, file } if is_read => {
                self.answer_md5(version, file).await
            }
            Resource::ArtifactSignature { version, file } if is_read => {
                self.answer_signature(version, file).await
            }
            Resource::InstalledAction(_) | Resource::Confirmation => {
                responses::empty(StatusCode::NOT_FOUND)
            }
            Resource::DeploymentFeedback(_) | Resource::CancelFeedback(_) => {
                responses::method_not_allowed("POST")
            }
            Resource::ConfigData | Resource::InstalledVersion => {
                responses::method_not_allowed("PUT")
            }
            _ => responses::method_not_allowed("GET, HEAD"),
        }
    }

    /// Writes an audit line about the client; `action` is what its message is about, if it is about
    /// an action.
    fn audit(
        &self,
        known: &Known,
        event: AuditEvent,
        action: Option<ActionId>,
        report: Option<LoggedReport<'_>>,
    ) {
        let Some(entry) = known.entry() else { return };
        let offer = entry.row.and_then(|row| row.last_offer.as_deref());
        let offer = offer.filter(|offer| action == Some(entry.action(offer)));
        let subject = Subject {
            namespace: self.namespace,
            fleet: entry.fleet.name(),
            client: self.client,
            target_version: offer.map(|offer| offer.version.as_str()),
            policy: offer.map(|offer| offer.policy.as_str()),
        };
        self.service.auditor.record(known.now, event, subject, action, report);
    }
}
