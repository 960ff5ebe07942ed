//! Tests how a watch handles an API server that does not respond or responds incorrectly. Time is
//! paused and the responses come from a script, so that no test waits.

mod api_server;
mod reports;

use std::time::Duration;

use clientfleet::cluster::watch::freshness::Freshness;
use clientfleet::cluster::watch::watch;
use clientfleet::plan::CachedFleet;
use kube::Api;
use kube::runtime::reflector::{Store, store};
use tokio::time::Instant;

use api_server::Answer::{Events, EventsThenSilence, Json, Nothing};
use api_server::{Answer, ApiServer, bookmark, event, failure, fleet, list, streamed};
use reports::Reports;

struct Watch {
    server: ApiServer,
    store: Store<CachedFleet>,
    freshness: Freshness,
    reports: Reports,
    began: Instant,
}

impl Watch {
    fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let server = ApiServer::new(script);
        let (store, writer) = store();
        let freshness = Freshness::default();
        let reports = Reports::default();
        let api = Api::namespaced(server.client(), "ns");
        tokio::spawn(watch(api, writer, freshness.clone(), reports.clone()));
        Self { server, store, freshness, reports, began: Instant::now() }
    }

    /// Waits until the store contains exactly the objects in `expected`. Returns the seconds since
    /// the start.
    async fn holds(&self, expected: &[&str]) -> u64 {
        let limit = Instant::now() + Duration::from_secs(3600);
        while self.objects() != expected {
            assert!(Instant::now() < limit, "{:?} {:?}", self.objects(), self.server.requests());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.began.elapsed().as_secs()
    }

    /// Returns the objects of the store as `name@version`.
    fn objects(&self) -> Vec<String> {
        let version = |fleet: &CachedFleet| fleet.metadata.resource_version.clone().unwrap();
        let fleets = self.store.state();
        let mut all: Vec<String> =
            fleets.iter().map(|fleet| format!("{}@{}", fleet.name(), version(fleet))).collect();
        all.sort();
        all
    }
}

/// Returns the response to the consistent read before a list.
fn current(version: &str) -> Answer {
    list(version, &[])
}

#[tokio::test(start_paused = true)]
async fn a_first_list_without_a_response_is_requested_again() {
    let watch = Watch::start([current("5"), Nothing, current("5"), list("5", &[fleet("a", "3")])]);
    let seconds = watch.holds(&["a@3"]).await;
    assert!((30..40).contains(&seconds), "{seconds} s");
    let requests = watch.server.requests();
    assert_eq!(requests[..4], ["current", "list", "current", "page"], "another kind of list");
}

#[tokio::test(start_paused = true)]
async fn a_first_read_without_a_response_is_repeated() {
    let watch = Watch::start([Nothing, current("5"), EventsThenSilence(streamed("5", &[]))]);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(watch.server.requests(), ["current"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(watch.server.requests(), ["current", "current", "list"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stops_in_the_middle_is_requested_again() {
    let half = vec![event("ADDED", fleet("a", "3"))];
    let watch = Watch::start([
        current("5"),
        EventsThenSilence(half.clone()),
        current("5"),
        list("5", &[fleet("a", "3"), fleet("b", "4")]),
    ]);
    let seconds = watch.holds(&["a@3", "b@4"]).await;
    assert!((30..40).contains(&seconds), "{seconds} s");

    let both = [fleet("a", "3"), fleet("b", "4")];
    let watch = Watch::start([current("5"), Events(half), current("5"), list("5", &both)]);
    assert!(watch.holds(&["a@3", "b@4"]).await < 5, "a cut list is noticed at once");
}

#[tokio::test(start_paused = true)]
async fn a_resumed_watch_without_a_response_is_opened_again() {
    let mut first = streamed("5", &[fleet("a", "3")]);
    first.push(bookmark("7", false));
    let watch = Watch::start([
        current("5"),
        Events(first),
        Nothing,
        current("7"),
        EventsThenSilence(vec![event("MODIFIED", fleet("a", "8"))]),
    ]);
    let seconds = watch.holds(&["a@8"]).await;
    assert!((30..40).contains(&seconds), "{seconds} s");
    assert_eq!(watch.server.requests(), ["current", "list", "watch 7", "current", "watch 7"]);
    assert!(watch.freshness.silence() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_is_opened_again() {
    let watch = Watch::start([
        current("5"),
        EventsThenSilence(streamed("5", &[fleet("a", "3")])),
        list("6", &[]),
        current("6"),
        EventsThenSilence(streamed("6", &[])),
    ]);
    watch.holds(&["a@3"]).await;
    let seconds = watch.holds(&[]).await;
    assert!((90..95).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_is_opened_again_without_a_list() {
    let script = [current("5"), EventsThenSilence(streamed("5", &[fleet("a", "3")]))];
    let checked = || list("5", &[fleet("a", "3")]);
    let idle = (0..10).flat_map(|_| [checked(), EventsThenSilence(vec![])]);
    let watch = Watch::start(script.into_iter().chain(idle));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let requests = watch.server.requests();
    assert_eq!(requests[..2], ["current", "list"]);
    assert_eq!(requests[2..], ["metadata", "watch 5"].repeat(6));
    assert!(watch.freshness.silence() < Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_bookmarks_is_not_silent() {
    let mut events = streamed("5", &[fleet("a", "3")]);
    events
        .extend((6..66).map(|version: u32| {
            (Duration::from_secs(60), bookmark(&version.to_string(), false).1)
        }));
    let watch = Watch::start([current("5"), EventsThenSilence(events)]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(watch.server.requests(), ["current", "list"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_from_the_past_is_discarded() {
    let watch = Watch::start([
        current("9"),
        EventsThenSilence(streamed("5", &[fleet("a", "3")])),
        current("9"),
        EventsThenSilence(vec![]),
    ]);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(watch.objects(), [""; 0]);

    let watch = Watch::start([
        current("5"),
        Events(
            [streamed("5", &[fleet("a", "3")]), vec![event("MODIFIED", fleet("a", "8"))]].concat(),
        ),
        Events(vec![event("ERROR", failure(410))]),
        current("9"),
        Events(streamed("5", &[fleet("a", "3")])),
        current("9"),
        list("5", &[fleet("a", "3")]),
        current("9"),
        EventsThenSilence(streamed("10", &[fleet("a", "9")])),
    ]);
    watch.holds(&["a@8"]).await;
    while watch.server.requests().len() < 8 {
        assert_eq!(watch.objects(), ["a@8"], "the store does not go back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    watch.holds(&["a@9"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_is_applied_once_and_in_order() {
    let events = vec![
        event("MODIFIED", fleet("a", "7")),
        event("MODIFIED", fleet("a", "6")),
        event("DELETED", fleet("a", "5")),
        event("ADDED", fleet("b", "8")),
    ];
    let watch = Watch::start([
        current("5"),
        EventsThenSilence([streamed("5", &[fleet("a", "3")]), events].concat()),
    ]);
    watch.holds(&["a@7", "b@8"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_api_server_without_streaming_lists_is_listed_in_pages() {
    let watch = Watch::start([
        current("5"),
        Json(422, failure(422)),
        list("5", &[fleet("a", "3")]),
        EventsThenSilence(vec![]),
    ]);
    assert_eq!(watch.holds(&["a@3"]).await, 0, "without a back-off");
    let requests = ["current", "list", "page", "watch 5"];
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(watch.server.requests(), requests);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_rejected_as_invalid_is_repeated_after_a_pause() {
    let watch = Watch::start([
        current("5"),
        Json(422, failure(422)),
        list("5", &[fleet("a", "3")]),
        Json(422, failure(422)),
        current("5"),
        Json(422, failure(422)),
        current("5"),
        EventsThenSilence(vec![]),
    ]);
    watch.holds(&["a@3"]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(watch.server.requests(), ["current", "list", "page", "watch 5"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let requests =
        ["current", "list", "page", "watch 5", "current", "watch 5", "current", "watch 5"];
    assert_eq!(watch.server.requests(), requests);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_api_server_does_not_know_is_given_up() {
    let script = [current("50"), Events(streamed("50", &[fleet("a", "3")]))];
    let rest = [
        Nothing,
        Nothing,
        Nothing,
        current("5"),
        EventsThenSilence(streamed("6", &[fleet("a", "2")])),
    ];
    let watch = Watch::start(script.into_iter().chain(rest));
    watch.holds(&["a@3"]).await;
    watch.holds(&["a@2"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_restore_during_an_interruption_is_noticed() {
    let watch = Watch::start([
        current("50"),
        Events(streamed("50", &[fleet("a", "30")])),
        Json(503, failure(503)),
        current("20"),
        current("20"),
        EventsThenSilence(streamed("20", &[fleet("a", "10")])),
    ]);
    watch.holds(&["a@30"]).await;
    let seconds = watch.holds(&["a@10"]).await;
    assert!(seconds < 30, "{seconds} s");
    let requests = ["current", "list", "watch 50", "current", "current", "list"];
    assert_eq!(watch.server.requests(), requests);
}

#[tokio::test(start_paused = true)]
async fn a_watch_at_a_version_from_before_a_restore_is_noticed() {
    let watch = Watch::start([
        current("50"),
        Events(streamed("50", &[fleet("a", "3")])),
        EventsThenSilence(vec![]),
        list("6", &[fleet("a", "2")]),
        current("6"),
        EventsThenSilence(streamed("6", &[fleet("a", "2")])),
    ]);
    watch.holds(&["a@3"]).await;
    let seconds = watch.holds(&["a@2"]).await;
    assert!(seconds < 120, "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_with_a_growing_pause() {
    let script = (0..200).map(|_| Json(503, failure(503)));
    let watch = Watch::start(script);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let requests = watch.server.requests().len();
    assert!((5..15).contains(&requests), "{requests} requests in 120 s");
}

#[tokio::test(start_paused = true)]
async fn a_store_is_proven_by_the_versions_of_its_objects() {
    let listed = [fleet("a", "3"), fleet("b", "4")];
    let watch = Watch::start([
        current("5"),
        EventsThenSilence(streamed("5", &listed)),
        list("90", &listed),
        list("91", &[fleet("a", "3")]),
        current("91"),
        EventsThenSilence(streamed("91", &[fleet("a", "3")])),
    ]);
    watch.holds(&["a@3", "b@4"]).await;
    watch.freshness.prove().await;
    assert_eq!(watch.server.requests(), ["current", "list", "metadata"], "proven without a list");
    watch.freshness.prove().await;
    assert_eq!(watch.objects(), ["a@3"], "the missing event was not waited for");
    assert_eq!(watch.server.requests()[3..], ["metadata", "current", "list"]);
}

#[tokio::test(start_paused = true)]
async fn a_false_proof_is_none() {
    let listed = [fleet("a", "8")];
    let watch = Watch::start([
        current("9"),
        EventsThenSilence(streamed("9", &listed)),
        list("5", &[fleet("a", "8")]),
    ]);
    watch.holds(&["a@8"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let proof = tokio::time::timeout(Duration::from_secs(20), watch.freshness.prove());
    assert!(proof.await.is_err(), "the list is older than the store");
}
