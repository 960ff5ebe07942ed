//! Turns YAML text into the JSON values that kubectl would send for it. Knows nothing of Kubernetes
//! objects.
//!
//! kubectl reads YAML by the rules of go-yaml v2, in which an unquoted `no`, `on` or `y` is a boolean
//! and `3.50` the number 3.5. A reader with other rules would plan for `no` what the cluster never
//! sees, so unquoted words are read here by the same rules (`resolve` in go-yaml's `resolve.go`);
//! and where YAML tools differ among themselves, the text is refused, with what to write instead.

use std::collections::{BTreeSet, HashMap};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};
use serde_json::{Map, Number, Value};

/// Lists and mappings may be nested as deep as this, also through aliases. Our objects need 9.
const MAX_DEPTH: usize = 64;
/// What aliases may add to a file, in bytes: a few lines of aliases of aliases are gigabytes.
const MAX_COPIED_BYTES: usize = 16 << 20;
/// What a value costs besides its text.
const VALUE_BYTES: usize = 64;

/// One document, or why it cannot be read.
#[derive(Debug)]
pub struct Document {
    /// Counted from 1.
    pub number: usize,
    /// `Value::Null` when there is nothing in it.
    pub content: Result<Value, Fault>,
}

/// What is wrong with a text, and where, both counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl Fault {
    fn at(span: Span, message: impl Into<String>) -> Self {
        Self { line: span.start.line(), column: span.start.col() + 1, message: message.into() }
    }
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        let (line, column) = (error.marker().line(), error.marker().col() + 1);
        Self { line, column, message: format!("this is not YAML: {}", error.info()) }
    }
}

/// All documents of a text. After a broken one, reading goes on at the next `---`.
#[must_use]
pub fn read(text: &str) -> Vec<Document> {
    let mut reader = Reader::new(text);
    let mut documents = Vec::new();
    let mut number = 0;
    let mut last_fault = None;
    loop {
        let content = match reader.parser.next_event() {
            None => return documents,
            Some(Ok((Event::DocumentStart(..), _))) => {
                number += 1;
                reader.document()
            }
            Some(Ok(_)) => continue,
            Some(Err(error)) => Err(error.into()),
        };
        let broken_at = content.as_ref().err().map(|fault| (fault.line, fault.column));
        if let Some(place) = broken_at {
            // The same fault again means that the parser could not go on after it.
            if last_fault.replace(place) == Some(place) {
                return documents;
            }
        }
        documents.push(Document { number: number.max(1), content });
        if broken_at.is_some() && !matches!(reader.parser.proceed_next_document(), Ok(true)) {
            return documents;
        }
    }
}

/// A value that an anchor named, for its aliases.
struct Anchored {
    value: Value,
    bytes: usize,
    height: usize,
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchored>,
    copied_bytes: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let options = options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
            // As go-yaml does, and libyaml from which it comes.
            block_scalar_eof_without_line_feed: true,
        };
        let parser = Parser::new_from_str_with_options(text, options);
        Self { parser, anchors: HashMap::new(), copied_bytes: 0 }
    }

    fn document(&mut self) -> Result<Value, Fault> {
        let (event, span) = self.next()?;
        match event {
            Event::DocumentEnd => Ok(Value::Null),
            first => self.node(first, span, 0),
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(error.into()),
            None => Err(Fault { line: 1, column: 1, message: "this YAML ends too early".into() }),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref())
                    .map_err(|message| Fault::at(span, message))?;
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.as_deref(), "seq", span)?;
                (self.sequence(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_tag(tag.as_deref(), "map", span)?;
                (self.mapping(depth)?, anchor)
            }
            _ => return Err(Fault::at(span, "this is not YAML: a value is missing here")),
        };
        if anchor != 0 {
            let (bytes, height) = measure(&value);
            self.copied_bytes = counted(self.copied_bytes, bytes, span)?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), bytes, height });
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut fields = Map::new();
        // Keys that a `<<` brought: one that is written out replaces it.
        let mut brought = BTreeSet::new();
        let mut has_merged = false;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Object(fields));
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = key(self.node(event, span, depth + 1)?, span)?;
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            if is_merge {
                if std::mem::replace(&mut has_merged, true) {
                    return Err(given_twice("<<", span));
                }
                merge(value, &mut fields, &mut brought, value_span)?;
            } else if fields.contains_key(&key) && !brought.remove(&key) {
                return Err(given_twice(&key, span));
            } else {
                fields.insert(key, value);
            }
        }
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Value, Fault> {
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(Fault::at(span, "this alias stands for something it is itself a part of"));
        };
        if depth + anchored.height > MAX_DEPTH {
            return Err(too_deep(span));
        }
        // Counted first, so that nothing is copied that the limit forbids.
        self.copied_bytes = counted(self.copied_bytes, anchored.bytes, span)?;
        Ok(anchored.value.clone())
    }
}

/// What aliases have added with these bytes, as long as it is bearable.
fn counted(copied_bytes: usize, bytes: usize, span: Span) -> Result<usize, Fault> {
    let total = copied_bytes.saturating_add(bytes);
    if total <= MAX_COPIED_BYTES {
        return Ok(total);
    }
    let limit = MAX_COPIED_BYTES >> 20;
    let message = format!("aliases make more than {limit} MiB of this file: write the values out");
    Err(Fault::at(span, message))
}

/// Adds the fields that `<<` brings. go-yaml lets them replace fields written above, other readers do
/// not: so that is refused.
fn merge(
    value: Value,
    fields: &mut Map<String, Value>,
    brought: &mut BTreeSet<String>,
    span: Span,
) -> Result<(), Fault> {
    let maps = match value {
        Value::Array(maps) => maps,
        map => vec![map],
    };
    for map in maps {
        let Value::Object(map) = map else {
            return Err(Fault::at(span, "`<<` takes a mapping, or a list of mappings"));
        };
        for (key, value) in map {
            if brought.contains(&key) {
                continue;
            }
            if fields.contains_key(&key) {
                let message = format!("`<<` brings `{key}`, which stands above it: put `<<` first");
                return Err(Fault::at(span, message));
            }
            brought.insert(key.clone());
            fields.insert(key, value);
        }
    }
    Ok(())
}

fn too_deep(span: Span) -> Fault {
    Fault::at(span, format!("this is nested deeper than {MAX_DEPTH} levels"))
}

fn given_twice(key: &str, span: Span) -> Fault {
    Fault::at(span, format!("`{key}` is given twice in one mapping: keep one of the two"))
}

fn key(value: Value, span: Span) -> Result<String, Fault> {
    match value {
        Value::String(key) => Ok(key),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Fault::at(span, "a field's name is a word, not a list, a mapping or nothing"))
        }
        other => {
            let message = format!("this field's name is read as {other}: write it in quotes");
            Err(Fault::at(span, message))
        }
    }
}

fn refuse_tag(tag: Option<&Tag>, own: &str, span: Span) -> Result<(), Fault> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema_tag(own) => Err(Fault::at(
            span,
            format!("the tag {} is not supported: leave it out", tag.original()),
        )),
        _ => Ok(()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
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

/// What an unquoted word stands for.
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
        // Of `.1_5` and `.15_` go-yaml takes but the first for a number.
        Some(b'.') if bare != text && float(&bare).is_some() => {
            return Err(format!("`{text}` is a number for some readers only: write it in quotes"));
        }
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => number(&bare),
        _ => None,
    };
    Ok(number.unwrap_or_else(|| Value::String(text.to_owned())))
}

/// As go-yaml and, below it, Go's `strconv` with base 0: a leading `0` means octal.
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
        // Go takes a plus sign only before what fits into an i64.
        Some(magnitude) if !text.starts_with('+') || i64::try_from(magnitude).is_ok() => {
            return Some(Value::from(magnitude));
        }
        _ => {}
    }
    float(text).or_else(|| signed_binary(text))
}

fn float(text: &str) -> Option<Value> {
    // Rust reads words as `inf` too, and nothing else that Go does not.
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    text.parse().ok().and_then(from_f64)
}

/// go-yaml's own oddity: a sign after `0b`.
fn signed_binary(text: &str) -> Option<Value> {
    let digits = match text.strip_prefix("-0b") {
        Some(digits) => format!("-{digits}"),
        None => text.strip_prefix("0b")?.to_owned(),
    };
    i64::from_str_radix(&digits, 2).ok().map(Value::from)
}

/// A number as it leaves kubectl: `5.0` is written `5` and so is an integer for the API server.
#[must_use]
pub fn from_f64(number: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

/// The bytes that a copy of `value` takes, about, and how many levels it has.
fn measure(value: &Value) -> (usize, usize) {
    let (mut bytes, mut height) = (VALUE_BYTES, 0);
    let mut add = |(child_bytes, child_height): (usize, usize)| {
        bytes += child_bytes;
        height = height.max(child_height + 1);
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| add(measure(item))),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let (bytes, height) = measure(value);
            add((bytes + key.len(), height));
        }),
        Value::String(text) => bytes += text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    (bytes, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(text: &str) -> Result<Value, String> {
        let mut documents = read(text);
        assert_eq!(documents.len(), 1, "{text}");
        documents.remove(0).content.map_err(|fault| fault.message)
    }

    /// Each as `sigs.k8s.io/yaml` v1.6.0, which kubectl uses, converts it.
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

    #[test]
    fn fields_that_a_merge_brings_give_way_to_those_below_it() {
        let text = "a: &a {u: 1, v: 1}\nb: &b {v: 2, w: 2}\nc:\n  <<: [*a, *b]\n  u: 3\n";
        assert_eq!(
            one(text).map(|value| value["c"].clone()),
            Ok(json!({ "u": 3, "v": 1, "w": 2 }))
        );
        assert!(one("{a: {<<: {x: 1}, x: 2, x: 3}}").is_err(), "twice below");
        assert!(one("{<<: 1}").is_err() && one("{<<: {}, <<: {}}").is_err());
    }

    #[test]
    fn reading_goes_on_behind_a_broken_document() {
        let documents = read("a: [\n---\nb: 1\n---\n]\n---\n# none\n---\nc: 2\n");
        let told: Vec<_> =
            documents.iter().map(|found| (found.number, found.content.is_ok())).collect();
        assert_eq!(told, [(1, false), (2, true), (3, false), (4, true), (5, true)]);
    }
}
