//! Tests what a watch reports to its handler, and that a store can keep objects in any form.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clientfleet::api::ClientFleet;
use clientfleet::cluster::watch::freshness::Freshness;
use clientfleet::cluster::watch::{Stored, WatchHandler, watch};
use clientfleet::plan::Raw;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::store;
use kube::{Api, Resource, ResourceExt};

use crate::Watch;
use crate::api_server::Answer::{Events, EventsThenSilence, Json};
use crate::api_server::{ApiServer, event, failure, fleet, list, streamed};

/// A handler that records the reports of a watch in order.
#[derive(Clone, Default)]
pub struct Reports(Arc<Mutex<Vec<String>>>);

impl Reports {
    fn record(&self, report: impl Into<String>) {
        self.0.lock().unwrap().push(report.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl<S: Stored> WatchHandler<S> for Reports {
    fn applied(&mut self, object: &S) {
        self.record(format!("applied {}", object.name_any()));
    }

    fn deleted(&mut self, object: &S) {
        self.record(format!("deleted {}", object.name_any()));
    }

    fn relisted(&mut self, _: Instant) {
        self.record("relisted");
    }

    fn filled(&mut self) {
        self.record("filled");
    }

    fn interrupted(&mut self) {
        self.record("interrupted");
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_and_list_and_interruption_is_reported_once() {
    let events = vec![
        event("MODIFIED", fleet("a", "7")),
        event("MODIFIED", fleet("a", "6")),
        event("ADDED", fleet("b", "8")),
        event("DELETED", fleet("a", "9")),
    ];
    let watch = Watch::start([
        Json(503, failure(503)),
        list("5", &[]),
        Events([streamed("5", &[fleet("a", "3")]), events].concat()),
        Json(410, failure(410)),
        list("10", &[]),
        EventsThenSilence(streamed("10", &[fleet("b", "8")])),
    ]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let expected = [
        "interrupted",
        "relisted",
        "filled",
        "applied a",
        "applied b",
        "deleted a",
        "interrupted",
        "relisted",
    ];
    assert_eq!(watch.reports.all(), expected);
    assert_eq!(watch.objects(), ["b@8"]);
}

/// A stored form that counts how many versions of an object were read.
#[derive(Clone)]
struct Counted {
    metadata: ObjectMeta,
    versions: u32,
}

impl Stored for Counted {
    type Kind = ClientFleet;

    fn read(raw: Raw<ClientFleet>, before: Option<&Self>) -> Self {
        Self { metadata: raw.metadata, versions: before.map_or(0, |before| before.versions) + 1 }
    }
}

impl Resource for Counted {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        ClientFleet::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ClientFleet::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ClientFleet::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ClientFleet::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_keeps_the_form_that_its_user_chose() {
    let events = vec![event("MODIFIED", fleet("a", "7")), event("MODIFIED", fleet("a", "8"))];
    let server = ApiServer::new([
        list("5", &[]),
        EventsThenSilence([streamed("5", &[fleet("a", "3")]), events].concat()),
    ]);
    let (fleets, writer) = store::<Counted>();
    let api = Api::namespaced(server.client(), "ns");
    tokio::spawn(watch(api, writer, Freshness::default(), Reports::default()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let state = fleets.state();
    let kept: Vec<_> = state.iter().map(|fleet| (fleet.name_any(), fleet.versions)).collect();
    assert_eq!(kept, [("a".to_owned(), 3)]);
}
