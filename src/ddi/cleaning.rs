//! Removes what a terminal or a table would not show from texts that agents send.

use std::borrow::Cow;

use crate::api::invisible::is_hidden;

/// Returns a text without terminal escape sequences and invisible characters. Characters that
/// separate words remain: control characters, and blanks of any kind as ordinary blanks.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c == ESCAPE || is_hidden(c)) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == ESCAPE {
            skip_escape_sequence(&mut rest);
        } else if !is_hidden(character) {
            visible.push(character);
        } else if character.is_whitespace() {
            visible.push(' ');
        }
    }
    Cow::Owned(visible)
}

/// Returns the beginning of a text, at most `bytes` long.
pub(super) fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

const ESCAPE: char = '\u{1b}';

/// Skips the rest of a control sequence such as `ESC [ 3 1 m` (ECMA-48, section 5.4). Skips nothing
/// after an escape character that begins no control sequence.
fn skip_escape_sequence(rest: &mut std::str::Chars<'_>) {
    let mut sequence = rest.clone();
    if sequence.next() != Some('[') {
        return;
    }
    let is_parameter = |c: &char| matches!(c, ' '..='?');
    while sequence.clone().next().as_ref().is_some_and(is_parameter) {
        sequence.next();
    }
    if matches!(sequence.next(), Some('@'..='~')) {
        *rest = sequence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_removed() {
        for (text, expected) in [
            ("", ""),
            ("Łódź 佐藤 🦀", "Łódź 佐藤 🦀"),
            ("a\u{202e}b\u{feff}c\u{200b}", "abc"),
            ("a\u{a0}b\u{2028}c", "a b c"),
            ("\u{1b}[31;1mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}", "]0;title\u{7}"),
            ("a\u{1b}", "a"),
            ("a\u{1b}[", "a["),
            ("a\u{1b}[3", "a[3"),
            ("a\u{1b}[3\n", "a[3\n"),
            ("tab\tline\n", "tab\tline\n"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((beginning("aé", 2), beginning("aé", 3), beginning("aé", 9)), ("a", "aé", "aé"));
    }
}
