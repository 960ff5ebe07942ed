//! Tests what happens when a leader is killed, terminated or cut off from the API server, or when
//! its lease is deleted.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::TimeDelta;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;

use super::audit::{Entry, Term, terms};
use super::estate::{Estate, plane};
use super::proxy::{Directions, Proxy};

/// Tolerance for delays on a busy machine. The election tests check the exact limits with a
/// simulated clock.
const SLACK: TimeDelta = TimeDelta::seconds(10);

pub fn two_terms(entries: &[Entry]) -> (Term, Term) {
    let terms = terms(entries);
    let [first, second] = terms.as_slice() else { panic!("not two terms: {terms:#?}") };
    assert!(first.holder.starts_with("first") && second.holder.starts_with("second"));
    (first.clone(), second.clone())
}

/// Checks the time between the first replica's last renewal and the second replica's takeover. The
/// time must be at least the renew deadline (10 s), and at most one lease duration plus one retry
/// period (17 s) plus [`SLACK`].
pub fn assert_in_time(first: &Term, second: &Term) {
    let took = second.taken.received - first.renewed.answered;
    println!("the lease was taken {took} after it had been renewed last");
    assert!(took >= TimeDelta::seconds(10), "before the renew deadline: {took}");
    assert!(took <= TimeDelta::seconds(17) + SLACK, "too late: {took}");
}

pub fn writes_of<'a>(entries: &'a [Entry], term: &Term) -> Vec<&'a Entry> {
    entries.iter().filter(|entry| entry.is_status_write() && entry.user == term.holder).collect()
}

/// Checks that the second replica opened no watch after it took over, because a standby fills its
/// stores before it leads. The one list request for each kind checks that the stores are current.
fn assert_warm(entries: &[Entry], second: &Term) {
    let asked = |verb: &str| {
        let later = |entry: &&Entry| entry.received > second.taken.received;
        let own = entries.iter().filter(|entry| entry.user == second.holder).filter(later);
        own.filter(|entry| entry.verb == verb).map(|entry| entry.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(asked("watch"), [""; 0], "it lists anew");
    let mut lists = asked("list");
    lists.sort();
    assert_eq!(lists, ["clientfleets", "upgradepolicies"], "the check of the stores");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_within_the_lease_time() {
    let estate = Estate::make("killed").await;
    let (mut first, second) = estate.start_two(None).await;
    first.signal("KILL");
    first.ended().await;
    // Make a change while no replica leads, so that the second replica has something to write after
    // it takes over.
    estate.suspend(true).await;
    estate.is_held_by(&second.name).await;
    estate.ends_well().await;
    let entries = estate.audit();
    let (first, second) = two_terms(&entries);
    assert_in_time(&first, &second);
    assert_warm(&entries, &second);
    // The new leader writes the status of each of the six fleets once. It writes the policy's
    // status once or twice, because the first write may contain the condition `Reconciling`.
    let writes = writes_of(&entries, &second);
    assert!((7..=8).contains(&writes.len()), "{writes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_end_is_replaced_at_once() {
    let estate = Estate::make("told").await;
    let (mut first, second) = estate.start_two(None).await;
    // Change every status, so that the leader is still writing statuses when it receives SIGTERM.
    estate.suspend(true).await;
    first.signal("TERM");
    assert_eq!(first.ended().await.code(), Some(0), "{}", first.log());
    estate.is_held_by(&second.name).await;
    estate.ends_well().await;
    let entries = estate.audit();
    let (first, second) = two_terms(&entries);
    let given_back = first.ended.unwrap();
    assert_eq!(given_back.holder(), Some(""));
    assert_eq!(given_back.body["spec"]["leaseDurationSeconds"], 1);
    let took = second.taken.received - given_back.answered;
    println!("the lease was taken {took} after it had been given back");
    assert!(took <= TimeDelta::seconds(2) + SLACK, "{took}");
    assert_eq!(second.taken.body["spec"]["leaseTransitions"], 1);
    assert_warm(&entries, &second);
}

/// Checks that a leader whose lease was deleted gives up before another replica leads. The third
/// replica finds no lease, so it cannot know that the first replica leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_somebody_deletes_ends_its_leader_before_another_leads() {
    let estate = Estate::make("deleted").await;
    let (mut first, second) = estate.start_two(None).await;
    let leases = estate.world.api::<Lease>();
    leases.delete("clientfleet", &DeleteParams::default()).await.unwrap();
    let third = estate.start("third");
    first.gives_up(&["the lease was deleted by another hand", "the lease is held by"]).await;
    estate.suspend(true).await;
    estate.ends_well().await;
    let holder = estate.holder().await.unwrap();
    let (made, led) = if holder == second.name { (&second, &third) } else { (&third, &second) };
    made.has_logged("there was no lease").await;
    assert!(!led.log().contains(" leading "), "{}", led.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_gives_up_before_another_takes_over() {
    cut_off("cut", Directions::CUT).await;
}

/// Checks that the API server rejects late writes of a former leader. The proxy holds back the
/// leader's writes until another replica has taken over.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_leader_sent_before_it_gave_up_arrives_too_late() {
    cut_off("held-up", Directions::ONLY_BACK).await;
}

async fn cut_off(prefix: &str, ways: Directions) {
    let estate = Estate::make(prefix).await;
    let proxy = Proxy::start(server());
    let (mut first, second) = estate.start_two(Some(proxy.address())).await;
    proxy.set(ways);
    estate.suspend(true).await;
    first.gives_up(&["the lease could not be renewed within the renew deadline"]).await;
    let gave_up = chrono::Utc::now();
    estate.is_held_by(&second.name).await;
    estate.settles().await;
    proxy.set(Directions::OPEN);
    // Make another change and wait until the statuses match it, so that the delayed writes reach
    // the API server before its audit log is read.
    estate.suspend(false).await;
    estate.ends_well().await;
    let entries = estate.audit();
    let (first, second) = two_terms(&entries);
    assert_in_time(&first, &second);
    assert_warm(&entries, &second);
    let slack = Duration::from_millis(500);
    assert!(gave_up < second.taken.received + slack, "it led for too long: {gave_up}");
    let late = |write: &&Entry| write.received > second.taken.received;
    let late: Vec<&Entry> = writes_of(&entries, &first).into_iter().filter(late).collect();
    println!("{} writes have arrived late", late.len());
    assert!(late.iter().all(|write| write.code == 409), "{late:#?}");
}

fn server() -> SocketAddr {
    let cluster = plane().kubeconfig().clusters[0].cluster.clone().unwrap();
    let port = cluster.server.unwrap().rsplit(':').next().unwrap().parse().unwrap();
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
