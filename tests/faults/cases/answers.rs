//! Errors that a gateway, a webhook or an overloaded API server responds with.

use std::time::Duration;

use super::endures;
use crate::fault::{Fault, Requests};
use crate::proxy::Proxy;
use crate::stage::Stage;

/// A webhook that refuses a write with a conflict although the object has not changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_no_event_follows() {
    endures("conflict", |proxy| proxy.next(3, Requests::WRITES, Fault::Answer(409))).await;
}

/// The controller warns after some conflicts in a row.
#[tokio::test(flavor = "multi_thread")]
async fn conflicts_without_end_are_warned_of() {
    let stage = Stage::start("conflicts").await;
    let conflicts = |proxy: &Proxy| proxy.always(Requests::FLEET_WRITES, Fault::Answer(409));
    conflicts(&stage.proxy);
    stage.suspend(true).await;
    let warning = " WARN reconciling";
    stage.has_logged(warning).await;
    let is_warning = |line: &&str| line.contains(warning);
    let log = stage.log();
    let first = log.lines().find(is_warning).unwrap();
    assert!(first.contains("the status was not written"), "{first}");
    stage.ends_well(conflicts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_not_found_for_an_object_that_exists() {
    endures("not-found", |proxy| proxy.next(3, Requests::WRITES, Fault::Answer(404))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gone_for_an_object_that_exists() {
    endures("gone", |proxy| proxy.next(3, Requests::WRITES, Fault::Answer(410))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_stored_but_answered_with_an_internal_error() {
    endures("stored-500", |proxy| proxy.next(4, Requests::WRITES, Fault::AnswerAfter(500))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_stored_but_answered_with_a_gateway_timeout() {
    endures("stored-504", |proxy| proxy.next(4, Requests::WRITES, Fault::AnswerAfter(504))).await;
}

/// A proxy that repeats a request after a lost response receives a conflict for a stored write.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_stored_but_answered_with_a_conflict() {
    endures("stored-409", |proxy| proxy.next(4, Requests::WRITES, Fault::AnswerAfter(409))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_refused_as_too_large() {
    endures("too-large", |proxy| proxy.next(3, Requests::FLEET_WRITES, Fault::Answer(413))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_refused_as_invalid() {
    endures("invalid", |proxy| proxy.next(3, Requests::FLEET_WRITES, Fault::Answer(422))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_refused() {
    endures("credentials", |proxy| proxy.always(Requests::ALL, Fault::Answer(401))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_write_is_revoked() {
    endures("no-writes", |proxy| proxy.always(Requests::WRITES, Fault::Answer(403))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_read_is_revoked() {
    endures("no-reads", |proxy| {
        proxy.always(Requests::WATCHES, Fault::Answer(403));
        proxy.always(Requests::LISTS, Fault::Answer(403));
        proxy.next(2, Requests::WRITES, Fault::CutBefore);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_too_many_requests() {
    endures("storm-429", |proxy| proxy.always(Requests::ALL, Fault::Answer(429))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_service_unavailable() {
    endures("storm-503", |proxy| proxy.always(Requests::ALL, Fault::Answer(503))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_a_server() {
    endures("storm-502", |proxy| proxy.always(Requests::ALL, Fault::Answer(502))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_api_server() {
    let slow = Fault::DelayResponse(Duration::from_millis(700));
    endures("slow", |proxy| proxy.always(Requests::ALL, slow.clone())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_accepted() {
    endures("no-connection", |proxy| proxy.always(Requests::ALL, Fault::CutBefore)).await;
}

/// A network partition that drops packets: requests are sent, but nothing is received.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered() {
    endures("partition", |proxy| {
        proxy.always(Requests::ALL, Fault::SwallowBefore);
        proxy.hold(crate::fault::FLEETS);
        proxy.hold(crate::fault::POLICIES);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_refused() {
    endures("events-403", |proxy| proxy.always(Requests::EVENTS, Fault::Answer(403))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_never_answered() {
    endures("events-silent", |proxy| proxy.always(Requests::EVENTS, Fault::SwallowBefore)).await;
}
