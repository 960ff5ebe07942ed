//! Lets a command that writes finish its writes after Ctrl-C, so that it can print what was written
//! and what was not.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::print_remarks;

/// Exit code after a second signal: 128 plus the number of SIGINT, as in shells.
const INTERRUPTED: i32 = 130;

/// Records whether the process has received SIGINT or SIGTERM since [`Interrupt::listen`].
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Records the first signal from now on, instead of ending the process. A second signal ends
    /// the process.
    ///
    /// A command calls this function before its first write. A signal before that ends the process,
    /// and nothing was written.
    pub fn listen() -> Self {
        let (sender, receiver) = watch::channel(false);
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        // Without signal handlers, a signal ends the process, as before the call.
        if let (Ok(mut interrupt), Ok(mut terminate)) = signals {
            tokio::spawn(async move {
                let mut next = async || {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                };
                next().await;
                print_remarks(
                    "stopping after the writes in progress; press Ctrl-C again to stop now\n",
                );
                sender.send_replace(true);
                next().await;
                std::process::exit(INTERRUPTED);
            });
        }
        Self(receiver)
    }

    pub fn is_received(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the first signal.
    pub async fn received(&self) {
        if self.0.clone().wait_for(|is_received| *is_received).await.is_err() {
            // There are no signal handlers.
            std::future::pending::<()>().await;
        }
    }
}
