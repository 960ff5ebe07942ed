//! Resolves YAML scalars by the rules of go-yaml v2, which kubectl uses. Does not handle lists and
//! mappings.

use granit_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

/// Returns the value of a scalar, or an error message if the scalar is invalid.
pub(super) fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => plain(text),
            _ => Ok(Value::String(text.to_owned())),
        };
    };
    let value = match tag.core_suffix() {
        Some("str") => return Ok(Value::String(text.to_owned())),
        Some(_) => plain(text)?,
        None => return Err(format!("the tag {} is not supported: leave it out", tag.original())),
    };
    let fits = match tag.core_suffix() {
        Some("int") => value.is_i64() || value.is_u64(),
        Some("float") => value.is_number(),
        Some("bool") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    };
    if fits { Ok(value) } else { Err(format!("`{text}` does not fit its tag {}", tag.original())) }
}

/// Returns the value of an unquoted scalar. Returns an error message if JSON cannot represent the
/// value or if YAML parsers disagree about the value.
fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => {
            return Err(format!("`{text}` is not a number that JSON knows: write it in quotes"));
        }
        _ => {}
    }
    let bare = text.replace('_', "");
    let number = match text.as_bytes().first() {
        // go-yaml reads `.1_5` as a number, but not `.15_`. Reject both, because other parsers
        // differ.
        Some(b'.') if bare != text && float(&bare).is_some() => {
            return Err(format!("`{text}` is a number for some readers only: write it in quotes"));
        }
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => number(&bare),
        _ => None,
    };
    Ok(number.unwrap_or_else(|| Value::String(text.to_owned())))
}

/// Parses a number by the rules of go-yaml, which calls Go's `strconv` with base 0. In base 0, a
/// leading `0` means octal.
fn number(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let unsigned = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let magnitude = if unsigned { u64::from_str_radix(digits, radix).ok() } else { None };
    match magnitude {
        Some(magnitude) if negative => {
            if let Some(value) = 0_i64.checked_sub_unsigned(magnitude) {
                return Some(Value::from(value));
            }
        }
        // Go's YAML parser reads a number with a plus sign as an integer only if it fits into an `i64`.
        Some(magnitude) if !text.starts_with('+') || i64::try_from(magnitude).is_ok() => {
            return Some(Value::from(magnitude));
        }
        _ => {}
    }
    float(text).or_else(|| signed_binary(text))
}

fn float(text: &str) -> Option<Value> {
    // Reject texts such as `inf`, which Rust parses as numbers but Go does not. Rust parses no
    // other text that Go rejects.
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    text.parse().ok().and_then(from_f64)
}

/// Parses a binary number with an optional sign after `0b`, such as `0b-1`. Only go-yaml accepts a
/// sign in this position.
fn signed_binary(text: &str) -> Option<Value> {
    let digits = match text.strip_prefix("-0b") {
        Some(digits) => format!("-{digits}"),
        None => text.strip_prefix("0b")?.to_owned(),
    };
    i64::from_str_radix(&digits, 2).ok().map(Value::from)
}

/// Converts a number to the JSON value that kubectl sends. `5.0` becomes `5`, which the API server
/// reads as an integer.
#[must_use]
pub fn from_f64(number: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(text: &str) -> Result<Value, String> {
        let content = super::super::read(text).remove(0).content;
        content.map(|json| json.value()).map_err(|fault| fault.message)
    }

    /// Checks scalars against the results of `sigs.k8s.io/yaml` v1.6.0, which kubectl uses.
    #[test]
    fn unquoted_words_are_what_they_are_for_kubectl() {
        let cases = [
            ("no", json!(false)),
            ("y", json!(true)),
            ("On", json!(true)),
            ("oN", json!("oN")),
            ("~", json!(null)),
            ("", json!(null)),
            ("3.50", json!(3.5)),
            ("5.0", json!(5)),
            ("5e3", json!(5000)),
            ("3.59.127", json!("3.59.127")),
            ("v3.59", json!("v3.59")),
            ("010", json!(8)),
            ("08", json!(8)),
            ("0x1F", json!(31)),
            ("-0b11", json!(-3)),
            ("0b-1", json!(-1)),
            ("0o17", json!(15)),
            ("1_000", json!(1000)),
            ("_1", json!("_1")),
            ("+5", json!(5)),
            ("1e999", json!("1e999")),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("22:00", json!("22:00")),
            ("2026-12-19", json!("2026-12-19")),
            ("inf", json!("inf")),
            ("'no'", json!("no")),
            ("!!str 3.50", json!("3.50")),
        ];
        for (word, value) in cases {
            assert_eq!(one(&format!("a: {word}\n")), Ok(json!({ "a": value })), "{word}");
        }
        for word in [".nan", "-.inf", ".1_5"] {
            assert!(one(&format!("a: {word}\n")).is_err(), "{word}");
        }
    }
}
