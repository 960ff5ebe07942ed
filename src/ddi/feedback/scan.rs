//! Reads feedback from a text that is not JSON, such as a log line with quotation marks between
//! quotation marks.

use super::{Feedback, execution, finished, kept, progress};

/// Reads what can be found in a text.
///
/// A detail may quote another report, so the details are set aside before the other fields are
/// searched.
pub(super) fn read(text: &str) -> Feedback {
    let parts = Parts::of(text);
    Feedback {
        execution: parts.word("execution").map(execution).unwrap_or_default(),
        finished: parts.word("finished").map(finished).unwrap_or_default(),
        progress: progress(parts.number("cnt"), parts.number("of"), parts.number("percentage")),
        code: parts.number("code"),
        details: kept(parts.details),
    }
}

/// A text, divided at its details.
struct Parts<'a> {
    before: &'a str,
    after: &'a str,
    details: Vec<String>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let Some((before, value)) = field(text, "details") else {
            return Self { before: text, after: "", details: Vec::new() };
        };
        if let Some(list) = value.strip_prefix('[') {
            // The details contain the only list, so its last bracket closes it.
            let end = list.rfind(']').unwrap_or(trimmed(list).len());
            return Self { before, after: &list[end..], details: items(&list[..end]) };
        }
        Self { before, after: "", details: items(trimmed(value)) }
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        let (_, value) = field(self.before, key).or_else(|| field(self.after, key))?;
        Some(value.strip_prefix('"').unwrap_or(value))
    }

    fn word(&self, key: &str) -> Option<&'a str> {
        let value = self.value(key)?;
        let end = value.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(value.len());
        Some(&value[..end])
    }

    fn number<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        let value = self.value(key)?;
        let is_other = |c: char| !c.is_ascii_digit() && c != '-';
        value[..value.find(is_other).unwrap_or(value.len())].parse().ok()
    }
}

/// Returns a text without the ends of the objects around it.
fn trimmed(text: &str) -> &str {
    text.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '}' | '\0'))
}

/// Finds the first field `key`. Returns the text before the key, and the text from the value on.
fn field<'a>(text: &'a str, key: &str) -> Option<(&'a str, &'a str)> {
    let key = format!("\"{key}\"");
    text.match_indices(&key).find_map(|(start, _)| {
        let value = text[start + key.len()..].trim_start().strip_prefix(':')?;
        Some((&text[..start], value.trim_start()))
    })
}

/// Splits a list of texts. A text ends at a quotation mark that is followed by a comma and another
/// quotation mark.
fn items(list: &str) -> Vec<String> {
    let list = list.trim();
    let mut items = Vec::new();
    let mut rest = list.strip_prefix('"').unwrap_or(list);
    while let Some((item, next)) = first_item(rest) {
        items.push(unescaped(item));
        rest = next;
    }
    let last = rest.strip_suffix('"').unwrap_or(rest);
    if !last.is_empty() {
        items.push(unescaped(last));
    }
    items
}

fn first_item(list: &str) -> Option<(&str, &str)> {
    list.match_indices('"').find_map(|(end, _)| {
        let next = list[end + 1..].trim_start().strip_prefix(',')?;
        Some((&list[..end], next.trim_start().strip_prefix('"')?))
    })
}

/// Replaces the usual escape sequences. Others remain as they are.
fn unescaped(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let mut after = rest.clone();
        let replacement = match (character, after.next()) {
            ('\\', Some('n' | 'r' | 't')) => Some(' '),
            ('\\', Some(other @ ('"' | '\\' | '/'))) => Some(other),
            _ => None,
        };
        if replacement.is_some() {
            rest = after;
        }
        unescaped.push(replacement.unwrap_or(character));
    }
    unescaped
}
