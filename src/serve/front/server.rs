//! Accepts connections, and ends them when the process stops.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;

use super::activity::{Activity, Phase};
use super::connection::Shared;
use super::counters::add_one;
use super::places::{Place, Places};
use super::{FrontCounters, FrontLimits, Peer, Reloaded, Service};

/// Time to wait after a connection could not be accepted, because the process may have no free file
/// descriptor.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Options of the front.
#[derive(Debug, Default)]
pub struct FrontOptions {
    /// Its limits.
    pub limits: FrontLimits,
    /// Certificate and key, or `None` for plain TCP. New connections use the current ones.
    pub tls: Option<Arc<Reloaded<ServerConfig>>>,
    /// What is counted.
    pub counters: Arc<FrontCounters>,
}

/// Serves connections until `stop` completes. Then closes idle connections at once, and the others
/// after the request in progress, at the latest after [`FrontLimits::stop_timeout`].
pub async fn serve<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    options: FrontOptions,
    stop: impl Future<Output = ()> + Send,
) {
    let FrontOptions { limits, tls, counters } = options;
    let places = Places::new(limits.clone(), Arc::clone(&counters));
    let stop_timeout = limits.stop_timeout;
    let shared = Arc::new(Shared { service, limits, tls, counters });
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &places, shared.first_phase()) => accepted,
        };
        while tasks.try_join_next().is_some() {}
        let Some(accepted) = accepted else { break };
        tasks.spawn(serve_contained(Arc::clone(&shared), accepted));
    }
    drop(listener);
    places.close_all();
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(stop_timeout, ended).await.is_err() {
        tracing::warn!(connections = tasks.len(), "dropped connections that did not end in time");
    }
    tasks.shutdown().await;
}

/// A connection that has a place.
struct Accepted {
    tcp: TcpStream,
    peer: Peer,
    activity: Arc<Activity>,
    place: Place,
}

/// Accepts the next connection that is not refused, and waits for a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Places>, phase: Phase) -> Option<Accepted> {
    loop {
        let (tcp, peer) = match listener.accept().await {
            Ok((tcp, address)) => (tcp, Peer::new(address)),
            Err(error) => {
                note_accept_error(&error, places);
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        add_one(&places.counters().accepted);
        let address = peer.address.ip();
        if places.refuses(address) {
            add_one(&places.counters().refused);
            continue;
        }
        let activity = Arc::new(Activity::new(phase));
        let place = places.take(address, &activity).await?;
        return Some(Accepted { tcp, peer, activity, place });
    }
}

fn note_accept_error(error: &io::Error, places: &Places) {
    // The peer may simply have disconnected.
    if error.kind() == io::ErrorKind::ConnectionAborted {
        return;
    }
    tracing::warn!(%error, "a connection cannot be accepted");
    places.evict_idle();
}

/// Serves a connection. A panic of the service ends the connection only.
async fn serve_contained<S: Service>(shared: Arc<Shared<S>>, accepted: Accepted) {
    let Accepted { tcp, peer, activity, place } = accepted;
    let served = AssertUnwindSafe(shared.serve(tcp, peer.clone(), activity));
    if served.catch_unwind().await.is_err() {
        add_one(&shared.counters.panics);
        tracing::error!(address = %peer.address, "a request caused a panic");
    }
    drop(place);
}
