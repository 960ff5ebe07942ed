//! Prints tables of benchmark results as Markdown on standard output. With `UPDATE_DOCS=1`, also
//! writes the tables to `docs/performance.md`.

// Each benchmark target includes the whole module but calls only some of its functions.
#![allow(dead_code)]

pub mod conditions;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Failure;

/// File to which the results are written. The results of each section are between two HTML comments
/// that contain the section's name.
const PAGE: &str = "docs/performance.md";

pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// Creates a table with the column headings `heads`. The first column is left-aligned for text,
    /// and all other columns are right-aligned for numbers.
    pub fn new(heads: &[&str]) -> Self {
        let mut text = format!("| {} |\n|---|", heads.join(" | "));
        text.push_str(&"--:|".repeat(heads.len() - 1));
        Self { columns: heads.len(), text: text + "\n" }
    }

    /// Adds a row. If there are fewer cells than columns, the last columns stay empty.
    pub fn row(&mut self, cells: &[String]) {
        let missing = self.columns.saturating_sub(cells.len());
        let empty = " |".repeat(missing);
        let _ = writeln!(self.text, "| {} |{empty}", cells.join(" | "));
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Prints the results of a section. Also writes them to `docs/performance.md` if `UPDATE_DOCS` is
/// set.
pub fn publish(section: &str, text: &str) -> Result<(), Failure> {
    println!("<!-- {section} -->\n\n{}\n", text.trim());
    if std::env::var_os("UPDATE_DOCS").is_none() {
        return Ok(());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path)?;
    let (open, close) = (format!("<!-- {section} -->\n"), format!("<!-- /{section} -->"));
    let around = page
        .split_once(&open)
        .and_then(|(before, rest)| rest.split_once(&close).map(|(_, after)| (before, after)));
    let Some((before, after)) = around else {
        return Err(format!("{PAGE} has no place {open}{close} for these results").into());
    };
    fs::write(&path, format!("{before}{open}\n{}\n\n{close}{after}", text.trim()))?;
    Ok(())
}

pub fn median<T: Copy + PartialOrd>(values: &[T]) -> T {
    quantile(values, 0.5)
}

/// Returns a quantile of the values, such as the 99th percentile if `share` is 0.99.
pub fn quantile<T: Copy + PartialOrd>(values: &[T], share: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let place = (share * sorted.len() as f64) as usize;
    sorted[place.min(sorted.len() - 1)]
}

pub fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

pub fn ratio(time: Duration, floor: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() / floor.as_secs_f64())
}

pub fn mebibytes(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

/// Formats a number with commas as thousands separators.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
