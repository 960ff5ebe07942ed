//! The log, on standard error, and beside it the audit stream: who gets which lines, and how they are
//! written.

use std::env;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::audit::TARGET;
use super::audit::stream::{Lines, Stream};

/// What is logged where nothing else is asked for.
const WHAT_MATTERS: &str = "info,kube=warn";

/// How to log.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// As JSON, a line each, for machines; else as text.
    pub as_json: bool,
    /// Which lines, as `RUST_LOG` would say it, which it stands above.
    pub filter: Option<String>,
    /// Where the audit stream goes.
    pub audit: AuditTo,
}

/// Where the audit stream goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditTo {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output.
    Output,
    /// To the end of a file.
    File(PathBuf),
}

impl Logging {
    /// Begins to log for the whole program. Returns the audit stream, if there is one.
    ///
    /// # Errors
    /// A sentence on what is wrong with the filter or the file.
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
        // Lines of the audit stream are no lines of the log, whatever that asks for.
        let filter = filter.and(filter_fn(|metadata| metadata.target() != TARGET));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(is_colour_wanted())
            .with_writer(std::io::stderr);
        if self.as_json {
            lines.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
        } else {
            lines.with_filter(filter).boxed()
        }
    }
}

/// Colours are for eyes, and not for those that do not want them (<https://no-color.org>).
fn is_colour_wanted() -> bool {
    std::io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn filter(asked: Option<&str>) -> Result<EnvFilter, String> {
    let from_environment = env::var(EnvFilter::DEFAULT_ENV).ok();
    let (name, asked) = match (asked, &from_environment) {
        (Some(asked), _) => ("--log-level", asked),
        (None, Some(asked)) => (EnvFilter::DEFAULT_ENV, asked.as_str()),
        (None, None) => return Ok(EnvFilter::new(WHAT_MATTERS)),
    };
    EnvFilter::try_new(asked).map_err(|error| {
        format!("{name} {asked:?}: {error}; write a level, as info, or as info,kube=debug")
    })
}
