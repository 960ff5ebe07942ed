//! Defines which characters are invisible: those without a glyph, and blanks that look like the
//! ordinary one. Two texts that differ only in such characters look the same.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ranges of invisible characters, in ascending order: soft hyphens, joiners, fillers, direction
/// and format characters, variation selectors, tags, and blanks of the width of the ordinary one.
///
/// The ranges are listed and not taken from Unicode's categories, because Go and Rust may know
/// different versions of Unicode, and the API server must decide as this program does.
const INVISIBLE: [(char, char); 20] = [
    ('\u{a0}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Returns whether a character is a control character or is invisible. The ordinary blank is
/// neither.
#[must_use]
pub(crate) fn is_invisible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    character.is_control()
        || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// Returns whether a character is invisible and no control character.
#[must_use]
pub(crate) fn is_hidden(character: char) -> bool {
    is_invisible(character) && !character.is_control()
}

/// Escapes control characters and invisible characters, so that the text cannot control the
/// terminal, and two texts that differ only in such characters do not look the same.
#[must_use]
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Returns the invisible characters as the content of a character class, such as
/// `\x{A0}\x{200B}-\x{200F}`. Control characters are not included.
pub(super) fn class() -> String {
    let mut class = String::new();
    for (first, last) in INVISIBLE {
        // Writing to a string cannot fail.
        let _ = write!(class, r"\x{{{:X}}}", u32::from(first));
        if first < last {
            let _ = write!(class, r"-\x{{{:X}}}", u32::from(last));
        }
    }
    class
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn the_class_and_the_function_mean_the_same() {
        let class = Regex::new(&format!(r"^[\p{{Cc}}{}]$", class())).expect("it compiles");
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            assert_eq!(class.is_match(&text), is_invisible(character), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn nothing_that_unicode_calls_a_format_or_a_separator_is_forgotten() {
        // Arabic, Syriac and Kaithi number and verse signs are format characters with a glyph.
        let seen = Regex::new(
            r"[\x{600}-\x{605}\x{6DD}\x{70F}\x{890}\x{891}\x{8E2}\x{110BD}\x{110CD} \x{1680}\x{3000}]",
        )
        .expect("it compiles");
        let unseen =
            Regex::new(r"[\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}]").expect("it compiles");
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            if unseen.is_match(&text) && !seen.is_match(&text) {
                assert!(is_invisible(character), "{}", text.escape_unicode());
            }
        }
        for text in ["Köln", "佐藤　太郎", "Łódź R&D", "Ångström", "ไทย", "🦀", "a\u{301}"]
        {
            assert!(!text.contains(is_invisible), "{text}");
        }
    }
}
