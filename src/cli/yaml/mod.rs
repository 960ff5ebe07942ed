//! Converts YAML text to the JSON values that kubectl would send for the text, so that a plan is
//! computed from the values that the cluster receives.
//!
//! Unquoted scalars follow the rules of go-yaml v2 (`resolve` in `resolve.go`): `no`, `on` and `y`
//! are booleans, and `3.50` is the number 3.5. If YAML parsers disagree about a text, this parser
//! rejects the text and states what to write instead.

mod scalars;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};
use serde_json::{Map, Value};

use self::scalars::scalar;
use super::documents::{Document, Fault, Json};
pub use scalars::from_f64;

/// Maximum nesting depth of lists and mappings, including the content of aliases. Fleets and
/// policies need 9 levels.
const MAX_DEPTH: usize = 64;
/// Maximum number of bytes that aliases may add to a file. A few lines of nested aliases can expand
/// to gigabytes.
const MAX_COPIED_BYTES: usize = 16 << 20;
/// Estimated memory of a JSON value in bytes, excluding its text.
const VALUE_BYTES: usize = 64;
const ITEMS: &str = "items";

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

/// Parses all documents of a YAML text. After an invalid document, parsing continues at the next
/// `---`.
#[must_use]
pub fn read(text: &str) -> Vec<Document> {
    let mut reader = YamlReader::new(text);
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
            // Stop if the parser reports an error at the same position again, because it cannot
            // continue after such an error.
            if last_fault.replace(place) == Some(place) {
                return documents;
            }
        }
        let content = content.map(|text| {
            let part = 0..text.len();
            Json::new(Arc::new(text), part)
        });
        documents.push(Document { number: number.max(1), content });
        if broken_at.is_some() && !matches!(reader.parser.proceed_next_document(), Ok(true)) {
            return documents;
        }
    }
}

struct Anchored {
    value: Value,
    bytes: usize,
    height: usize,
}

struct YamlReader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchored>,
    copied_bytes: usize,
}

impl<'a> YamlReader<'a> {
    fn new(text: &'a str) -> Self {
        let options = options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
            // Accept a block scalar without a final line feed at the end of a file, as go-yaml and
            // libyaml do.
            block_scalar_eof_without_line_feed: true,
        };
        let parser = Parser::new_from_str_with_options(text, options);
        Self { parser, anchors: HashMap::new(), copied_bytes: 0 }
    }

    /// Reads a document and returns it as JSON text. Converts the items of a `List` one by one, to
    /// limit the memory for long lists.
    fn document(&mut self) -> Result<String, Fault> {
        let (event, span) = self.next()?;
        match event {
            Event::DocumentEnd => Ok(Value::Null.to_string()),
            Event::MappingStart(_, 0, tag) => {
                refuse_tag(tag.as_deref(), "map", span)?;
                let mut items = String::new();
                let Value::Object(fields) = self.mapping(0, Some(&mut items))? else {
                    return Err(Fault::at(span, "this is not YAML: a value is missing here"));
                };
                Ok(joined(&fields, &items))
            }
            first => self.node(first, span, 0).map(|value| value.to_string()),
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
                (self.mapping(depth, None)?, anchor)
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

    fn items(&mut self, depth: usize) -> Result<String, Fault> {
        let mut text = "[".to_owned();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(text + "]"),
                (event, span) => {
                    let item = self.node(event, span, depth + 1)?;
                    if text.len() > 1 {
                        text.push(',');
                    }
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{item}");
                }
            }
        }
    }

    /// Reads a mapping. If `apart` is set, writes the sequence in the field `items` to that buffer
    /// as JSON text, and leaves an empty list in the field.
    fn mapping(&mut self, depth: usize, mut apart: Option<&mut String>) -> Result<Value, Fault> {
        let mut fields = Map::new();
        // Track the keys from a `<<` merge key, because an explicit key that replaces such a key is
        // not a duplicate.
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
            let value = match (&mut apart, event) {
                (Some(items), Event::SequenceStart(_, 0, tag)) if key == ITEMS => {
                    refuse_tag(tag.as_deref(), "seq", value_span)?;
                    **items = self.items(depth + 1)?;
                    Value::Array(Vec::new())
                }
                (_, event) => self.node(event, value_span, depth + 1)?,
            };
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
        // Check the size limit first, so that a value that exceeds the limit is never copied.
        self.copied_bytes = counted(self.copied_bytes, anchored.bytes, span)?;
        Ok(anchored.value.clone())
    }
}

/// Builds the JSON text of a document from its fields and the separately stored items.
fn joined(fields: &Map<String, Value>, items: &str) -> String {
    let mut text = "{".to_owned();
    for (name, value) in fields {
        let comma = if text.len() > 1 { "," } else { "" };
        let name = Value::from(name.as_str());
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Array(list) if list.is_empty() && name == ITEMS && !items.is_empty() => {
                write!(text, "{comma}{name}:{items}")
            }
            value => write!(text, "{comma}{name}:{value}"),
        };
    }
    text + "}"
}

/// Returns the sum of `copied_bytes` and `bytes`, or an error if the sum exceeds
/// [`MAX_COPIED_BYTES`].
fn counted(copied_bytes: usize, bytes: usize, span: Span) -> Result<usize, Fault> {
    let total = copied_bytes.saturating_add(bytes);
    if total <= MAX_COPIED_BYTES {
        return Ok(total);
    }
    let limit = MAX_COPIED_BYTES >> 20;
    let message = format!("aliases make more than {limit} MiB of this file: write the values out");
    Err(Fault::at(span, message))
}

/// Adds the fields of a `<<` merge key to a mapping. Returns an error if a field is already defined
/// above the merge key, because go-yaml replaces such a field and other parsers do not.
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

/// Returns the approximate size of a copy of `value` in bytes, and its nesting depth.
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
        documents.remove(0).content.map(|json| json.value()).map_err(|fault| fault.message)
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
    fn a_list_is_read_as_it_stands() {
        let text = "a: 1\nitems:\n- &x {b: [1, {c: ~}]}\n- *x\n- - no\nz: {items: [2]}\n";
        let item = json!({ "b": [1, { "c": null }] });
        let items = json!([item, item, [false]]);
        assert_eq!(one(text), Ok(json!({ "a": 1, "items": items, "z": { "items": [2] } })));
        for (text, items) in [
            ("items: []\n", json!([])),
            ("items: &a [1]\n", json!([1])),
            ("items: ~\n", json!(null)),
            ("<<: {items: [1]}\nitems: [2]\n", json!([2])),
            ("<<: {items: [1]}\n", json!([1])),
            ("{items: [1, '\"']}", json!([1, "\""])),
        ] {
            assert_eq!(one(text), Ok(json!({ "items": items })), "{text}");
        }
        for text in ["items: [1]\nitems: [2]\n", "items: [1]\n<<: {items: [2]}\n", "items: !x []\n"]
        {
            assert!(one(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reading_goes_on_behind_a_broken_document() {
        let documents = read("a: [\n---\nb: 1\n---\n]\n---\n# none\n---\nc: 2\n");
        let found: Vec<_> =
            documents.iter().map(|found| (found.number, found.content.is_ok())).collect();
        assert_eq!(found, [(1, false), (2, true), (3, false), (4, true), (5, true)]);
    }
}
