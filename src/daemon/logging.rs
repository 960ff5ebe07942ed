//! Sets up the log on standard error, and the audit stream as a separate output.

use std::env;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::audit_stream::{Lines, Stream, TARGET};
use super::directives;

/// Default log filter, if neither `--log-level` nor `RUST_LOG` is set.
const DEFAULT_FILTER: &str = "info,kube=warn";

/// Logging options.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// True to write log lines as JSON; false to write them as text.
    pub as_json: bool,
    /// Log filter in the syntax of `RUST_LOG`; overrides that environment variable.
    pub filter: Option<String>,
    /// Destination of the audit stream.
    pub audit: AuditTo,
}

/// Destination of the audit stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditTo {
    /// The audit stream is off.
    #[default]
    Off,
    /// The audit stream is written to standard output.
    Output,
    /// The audit stream is appended to a file.
    File(PathBuf),
}

impl Logging {
    /// Starts logging for the whole program. Returns the audit stream, or `None` if it is off.
    ///
    /// # Errors
    ///
    /// Returns a message if the filter is invalid or the file cannot be opened.
    pub fn start(&self) -> Result<Option<Arc<Stream>>, String> {
        let stream = match &self.audit {
            AuditTo::Off => None,
            AuditTo::Output => Some(Arc::new(Stream::to(std::io::stdout()))),
            AuditTo::File(path) => Some(Arc::new(Stream::to_file(path)?)),
        };
        let log = self.log(filter(self.filter.as_deref())?);
        let audit = stream.clone().map(|stream| {
            Lines(stream).with_filter(filter_fn(|metadata| metadata.target() == TARGET))
        });
        tracing_subscriber::registry().with(log).with(audit).init();
        Ok(stream)
    }

    fn log(&self, filter: EnvFilter) -> Box<dyn Layer<Registry> + Send + Sync> {
        // Exclude the lines of the audit stream from the log, because the user's log filter may
        // match them.
        let filter = filter.and(filter_fn(|metadata| metadata.target() != TARGET));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(is_color_wanted())
            .with_writer(std::io::stderr);
        if self.as_json {
            lines.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
        } else {
            lines.with_filter(filter).boxed()
        }
    }
}

/// Returns whether to use colors: only on a terminal, and only if `NO_COLOR` is unset or empty
/// (<https://no-color.org>).
fn is_color_wanted() -> bool {
    std::io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn filter(asked: Option<&str>) -> Result<EnvFilter, String> {
    let from_environment = env::var(EnvFilter::DEFAULT_ENV).ok().filter(|asked| !asked.is_empty());
    let (name, asked) = match (asked, &from_environment) {
        (Some(asked), _) => ("--log-level", asked),
        (None, Some(asked)) => (EnvFilter::DEFAULT_ENV, asked.as_str()),
        (None, None) => return Ok(EnvFilter::new(DEFAULT_FILTER)),
    };
    let refusal = |error: &dyn std::fmt::Display| {
        format!("{name} {asked:?}: {error}; write a level, as info, or as info,kube=debug")
    };
    directives::check(asked).map_err(|error| refusal(&error))?;
    EnvFilter::try_new(asked).map_err(|error| refusal(&error))
}
