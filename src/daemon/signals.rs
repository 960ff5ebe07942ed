//! Handles the signals of a long-running command: SIGTERM and SIGINT stop it, and SIGHUP makes it
//! reopen the audit stream. Does not know what the command does when it stops.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::audit_stream::Stream;

/// Returns a future that completes when the process receives SIGTERM or SIGINT after this call.
///
/// # Errors
///
/// Returns a message if the process cannot listen for the signals.
pub fn stopped() -> Result<impl Future<Output = ()>, String> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Starts a task that reopens the file of the audit stream each time the process receives SIGHUP.
///
/// # Errors
///
/// Returns a message if the process cannot listen for the signal.
pub fn reopen_on_hangup(stream: Arc<Stream>) -> Result<(), String> {
    tokio::spawn(reopen(listen(SignalKind::hangup())?, stream));
    Ok(())
}

async fn reopen(mut signals: Signal, stream: Arc<Stream>) {
    while signals.recv().await.is_some() {
        match stream.reopen() {
            Ok(()) => tracing::info!("the audit stream was opened anew"),
            Err(error) => tracing::error!(error, "the audit stream goes on where it was"),
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("no signal can be listened for: {error}"))
}
