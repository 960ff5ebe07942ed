//! Runs the long-running commands: what they share that is not about their work, such as logs,
//! signals, probes and the clock. Does not know the cluster, the objects in it, or any command.

pub mod audit_stream;
pub mod clock;
mod directives;
pub(crate) mod exposition;
pub mod heap;
pub mod http_server;
pub mod identity;
pub mod listening;
pub mod logging;
pub(crate) mod process_metrics;
pub mod signals;

use std::sync::Arc;

use tokio::runtime::Runtime;

use audit_stream::Stream;
use logging::Logging;

/// Runs a long-running command until it ends. Configures the allocator, starts logging and passes
/// the audit stream to `command`, or `None` if the stream is off.
///
/// # Errors
///
/// Returns a message if logging or the threads cannot be started, or the message of the command.
pub fn run<F>(
    logging: &Logging,
    command: impl FnOnce(Option<Arc<Stream>>) -> F,
) -> Result<(), String>
where
    F: Future<Output = Result<(), String>>,
{
    heap::set_mmap_threshold();
    let audit = logging.start()?;
    let runtime = Runtime::new().map_err(|error| format!("no threads to run on: {error}"))?;
    let result = runtime.block_on(command(audit));
    // Do not wait for tasks that are still running, such as the HTTP server. The command has
    // already waited for the tasks that must end.
    runtime.shutdown_background();
    result
}
