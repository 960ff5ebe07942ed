//! Tests that the controller checks its leadership before each write, and not only when it makes a
//! plan.

use std::sync::Arc;
use std::time::Duration;

use clientfleet::controller::audit::Auditor;
use clientfleet::controller::health::Health;
use clientfleet::controller::lease::leadership::Leadership;
use clientfleet::controller::lease::moment::Moment;
use clientfleet::controller::metrics::Metrics;
use clientfleet::controller::pipeline::{Context, Permits, Pipeline, Tasks};

use crate::counts::writes;
use crate::objects::{auto, fleet};
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_after_the_end_of_the_term() {
    let mut world = World::start("term").await;
    world.stop_controller().await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    let mark = world.wire.mark();
    let leadership = Leadership::none();
    let metrics: Arc<Metrics> = Arc::default();
    let around = Context {
        client: world.wire.client(world.client.clone()),
        clock: world.clock.clone(),
        leadership: leadership.clone(),
        health: Health::default(),
        concurrent_writes: 8,
        metrics: Arc::clone(&metrics),
        heartbeat: Arc::default(),
        auditor: Arc::new(Auditor::new("test".to_owned(), None, metrics)),
    };
    let mut tasks = Tasks::default();
    let permits = Permits::of_each_kind(8);
    let _pipeline = Pipeline::start(Some(&world.namespace), &around, &permits, &mut tasks);
    eventually("both kinds are watched", async || {
        let calls = world.wire.since(mark);
        let watched = |path: &str| calls.iter().any(|c| c.path == path && c.code == Some(200));
        let is_so = watched("clientfleets") && watched("upgradepolicies");
        if is_so { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
    let time_passes = async || {
        for _ in 0..20 {
            world.statuses().await;
        }
    };
    time_passes().await;
    assert_eq!(writes(&world.wire, mark), Vec::<String>::new());

    // End the leadership before the controller makes a plan, as a freeze of the process would. The
    // controller must still not write.
    leadership.lasts_until(Some(Moment::now()));
    time_passes().await;
    assert_eq!(writes(&world.wire, mark), Vec::<String>::new());

    // The controller now leads, and must write the statuses of its earlier plans.
    leadership.lasts_until(Some(Moment::now().after(Duration::from_secs(600))));
    world.settles().await;
    assert_eq!(world.fleet("berlin").await.observed_generation, Some(1));
}
