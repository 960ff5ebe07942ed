//! Parses JSON that agents write without escaping what they insert.
//!
//! swupdate inserts lines of its log between quotation marks as they are, so its reports are invalid
//! JSON when an installation fails: raw line breaks, tabs and escape characters, and Latin-1.

use std::borrow::Cow;

use serde_json::Value;

/// Parses a body: first as strict JSON, then with the usual faults repaired. Whatever follows the
/// first JSON value is ignored in the second attempt. Returns `None` if both attempts fail.
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    let strict = serde_json::from_slice(body).ok();
    strict.or_else(|| {
        let repaired = escape(&decode(body));
        serde_json::Deserializer::from_str(&repaired).into_iter().next()?.ok()
    })
}

/// Returns a value as text; `None` for `null`.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Decodes a body as UTF-8. Bytes that are not UTF-8 are decoded as Windows-1252, a superset of
/// Latin-1, one by one, because a body may contain texts from several programs.
pub(super) fn decode(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        let (decoded, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(chunk.invalid());
        text.push_str(&decoded);
    }
    Cow::Owned(text)
}

/// Escapes control characters inside strings (RFC 8259, section 7), and backslashes that begin no
/// escape sequence.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 64);
    let mut is_in_string = false;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '"' => is_in_string = !is_in_string,
            '\\' if is_in_string => match escape_sequence(rest.as_str()) {
                Some(sequence) => {
                    escaped.push(character);
                    escaped.push_str(sequence);
                    rest = rest.as_str()[sequence.len()..].chars();
                    continue;
                }
                None => escaped.push(character),
            },
            control if is_in_string && control < ' ' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(control)));
                continue;
            }
            _ => {}
        }
        escaped.push(character);
    }
    escaped
}

/// Returns the characters after a backslash that form an escape sequence with it.
fn escape_sequence(after: &str) -> Option<&str> {
    let length = match after.bytes().next()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 1,
        b'u' => 5,
        _ => return None,
    };
    let sequence = after.get(..length)?;
    sequence[1..].bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_usual_faults_are_repaired() {
        for (body, expected) in [
            (&br#"{"a":"\u00e9\n"}"#[..], json!({"a": "é\n"})),
            (b"{\"a\":\"x\ty\r\nz\x1b[0m\"}", json!({"a": "x\ty\r\nz\u{1b}[0m"})),
            (b"{\n\t\"a\" : \"x\ty\"\n}", json!({"a": "x\ty"})),
            (b"[\"M\xfcller \xc3\xbc\"]", json!(["Müller ü"])),
            (b"[\"\x80\"]", json!(["€"])),
            (
                br#"["C:\program files\x \u12 \"q\" \\"]"#,
                json!([r#"C:\program files\x \u12 "q" \"#]),
            ),
            (b"\xef\xbb\xbf{\"a\":1}", json!({"a": 1})),
            (b"{\"a\":1}\0\0", json!({"a": 1})),
            (b"\"a\0b\"", json!("a\0b")),
        ] {
            assert_eq!(parse(body), Some(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn the_rest_is_not_json() {
        for body in [
            &b""[..],
            b"{",
            b"<html>",
            b"{\"a\":\"x \"y\" z\"}",
            b"[\"\\",
            b"[\"\\u\xfc\"",
            b"\xff",
        ] {
            assert_eq!(parse(body), None, "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(parse("[".repeat(100_000).as_bytes()), None);
    }
}
