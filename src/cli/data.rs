//! Formats results as JSON or YAML for other programs. Accepts any serializable value.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::Failure;

/// How a result is printed that is a page for a person, or data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// For a person
    #[default]
    #[value(alias = "wide")]
    Table,
    /// As data
    Json,
    /// As data
    Yaml,
}

/// Formats a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    text(|output| write_json(value, output))
}

/// Formats a value as YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    text(|output| write_yaml(value, output))
}

fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// Writes a value to the output as indented JSON, without building the whole text in memory.
pub(crate) fn write_json(value: &impl Serialize, mut output: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut output, value)?;
    writeln!(output)
}

/// Writes a value to the output as YAML, without building the whole text in memory.
pub(crate) fn write_yaml(value: &impl Serialize, mut output: &mut dyn Write) -> io::Result<()> {
    serde_saphyr::to_io_writer(&mut output, value).map_err(|error| match error {
        serde_saphyr::ser::Error::IO { error } => error,
        other => io::Error::other(other.to_string()),
    })
}
