//! Reads feedback from a JSON document.

use serde_json::Value;

use super::{Feedback, execution, finished, kept, progress};
use crate::ddi::lenient_json::text;

/// Reads a document of any shape. Fields that are missing or of another type count as absent.
pub(super) fn read(document: &Value) -> Feedback {
    let status = &document["status"];
    let result = &status["result"];
    let steps = &result["progress"];
    let (done, of, percentage) =
        (number(&steps["cnt"]), number(&steps["of"]), number(&steps["percentage"]));
    Feedback {
        execution: status["execution"].as_str().map(execution).unwrap_or_default(),
        finished: result["finished"].as_str().map(finished).unwrap_or_default(),
        progress: progress(done, of, percentage),
        code: status["code"].as_i64(),
        details: kept(details(&status["details"])),
    }
}

fn details(value: &Value) -> Vec<String> {
    match value {
        Value::Array(details) => details.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    }
}

/// Returns a number that may be written as text or with a fraction.
fn number(value: &Value) -> Option<u64> {
    let fraction = || value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64);
    let written = || value.as_str().and_then(|text| text.trim().parse().ok());
    value.as_u64().or_else(fraction).or_else(written)
}
