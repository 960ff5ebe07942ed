//! Removes what a terminal or a table would not show from texts that agents send.

use std::borrow::Cow;

/// Returns a text without terminal escape sequences and invisible format characters. Control
/// characters remain, because they separate words.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c == ESCAPE || is_format(c)) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == ESCAPE {
            skip_escape_sequence(&mut rest);
        } else if !is_format(character) {
            visible.push(character);
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

/// Returns whether a character is an invisible format character (Unicode category Cf): a joiner, a
/// soft hyphen, a tag, or a change of direction, which reorders the text around it.
fn is_format(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn what_is_not_shown_is_removed() {
        for (text, expected) in [
            ("", ""),
            ("Łódź 佐藤 🦀", "Łódź 佐藤 🦀"),
            ("a\u{202e}b\u{feff}c\u{200b}", "abc"),
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
    fn format_characters_are_those_of_unicode_without_a_glyph() {
        let category = Regex::new(r"^\p{Cf}$").expect("it compiles");
        // These signs of Arabic, Syriac and Kaithi have a glyph.
        let shown =
            Regex::new(r"[\x{600}-\x{605}\x{6DD}\x{70F}\x{890}\x{891}\x{8E2}\x{110BD}\x{110CD}]");
        let shown = shown.expect("it compiles");
        let mut buffer = [0; 4];
        for character in '\0'..=char::MAX {
            let text = character.encode_utf8(&mut buffer);
            if category.is_match(text) && !shown.is_match(text) {
                assert!(is_format(character), "{}", character.escape_unicode());
            }
            assert!(!(character.is_alphanumeric() && is_format(character)));
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((beginning("aé", 2), beginning("aé", 3), beginning("aé", 9)), ("a", "aé", "aé"));
    }
}
