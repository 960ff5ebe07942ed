//! Defines which texts a report may contain. A text is bounded by its size in etcd, where Go's JSON
//! encoder writes `<`, `>` and `&` with six bytes each, so a text with these characters is shorter.
//!
//! The same size holds many ASCII characters or few others, and a pattern can count characters
//! only. So each bound has several forms, and a text must have one of them.

use std::borrow::Cow;

use super::bounds;
use super::patterns::{ANY, ASCII, Pattern};

/// Regular expression for ASCII characters without control characters.
const ASCII_OR_ESCAPED: &str = "[ -~]";
/// Regular expression for the characters of [`ANY`] that take at most three bytes in UTF-8.
const THREE_BYTES: &str = r"[^\p{Cc}\p{Zl}\p{Zp}<>&\x{10000}-\x{10FFFF}]";
/// Regular expression for the characters of [`ANY`], and `<`, `>` and `&`.
const ANY_OR_ESCAPED: &str = r"[^\p{Cc}\p{Zl}\p{Zp}]";
/// Regular expression for the characters that take six bytes.
const ESCAPED: &str = "[<>&]";
const ESCAPED_BYTES: usize = 6;

/// A bound for texts in reports and in the selectors that compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextBound {
    /// Maximum number of characters.
    max: usize,
    /// Maximum number of bytes in etcd, without the quotation marks around the text.
    bytes: usize,
    /// Maximum number of `<`, `>` and `&` in a longer text of ASCII characters.
    escapes: usize,
}

/// Name of a computer.
pub const COMPUTER: TextBound = TextBound { escapes: 4, ..TextBound::of(bounds::NAME) };
/// Name of a user.
pub const USER: TextBound = TextBound { escapes: 4, ..TextBound::of(bounds::USER) };
/// A reported version.
pub const VERSION: TextBound = TextBound::of(bounds::VERSION);
/// A reported time zone or instant.
pub(super) const SHORT: TextBound = TextBound::of(bounds::TIME_ZONE);
/// Message of a failed installation.
pub const MESSAGE: TextBound = TextBound::four_bytes(bounds::ERROR_MESSAGE);
/// Keywords of a search.
pub(super) const SEARCH: TextBound = TextBound::four_bytes(bounds::SEARCH);

impl TextBound {
    /// Returns the bound that holds `max` ASCII characters. A quotation mark takes two bytes.
    const fn of(max: usize) -> Self {
        Self { max, bytes: 2 * max, escapes: 0 }
    }

    /// Returns the bound that holds `max` characters of any kind but `<`, `>` and `&`. It holds as
    /// many ASCII characters if at most half of them are `<`, `>` and `&`.
    const fn four_bytes(max: usize) -> Self {
        Self { max, bytes: 4 * max, escapes: max / 2 }
    }

    const fn characters(self, bytes: usize) -> usize {
        if bytes < self.max { bytes } else { self.max }
    }

    /// Returns the maximum number of characters that take up to three bytes each.
    #[must_use]
    pub const fn three_bytes(self) -> usize {
        self.characters(self.bytes / 3)
    }

    /// Returns the maximum number of characters of any kind but `<`, `>` and `&`.
    #[must_use]
    pub const fn any(self) -> usize {
        self.characters(self.bytes / 4)
    }

    /// Returns the maximum number of characters of any kind.
    #[must_use]
    pub const fn any_or_escaped(self) -> usize {
        self.characters(self.bytes / ESCAPED_BYTES)
    }

    /// Returns the maximum number of ASCII characters if `escapes` of them may be `<`, `>` and `&`.
    #[must_use]
    pub const fn ascii_with_escapes(self) -> usize {
        self.characters((self.bytes - ESCAPED_BYTES * self.escapes) / 2 + self.escapes)
    }

    /// Returns the patterns that a text of at least `min` characters must match, besides the
    /// maximum length. There are two if the number of characters and the number of `<`, `>` and `&`
    /// must be counted separately, which one expression cannot.
    #[must_use]
    pub(super) fn patterns(self, min: usize) -> Vec<Pattern> {
        let Self { max, escapes, .. } = self;
        let mixed = self.any_or_escaped();
        let few_escapes = format!("{ASCII}*({ESCAPED}{ASCII}*){{0,{escapes}}}");
        let counted = format!("^({ANY}*|{few_escapes}|{ANY_OR_ESCAPED}{{{min},{mixed}}})$");
        if self.any() == max {
            return vec![self.pattern(min, counted)];
        }
        let form = |class: &str, max: usize| format!("{class}{{{min},{max}}}|");
        let with_escapes = match escapes {
            0 => String::new(),
            _ => form(ASCII_OR_ESCAPED, self.ascii_with_escapes()),
        };
        let long = format!(
            "^({}{with_escapes}{}{}{ANY_OR_ESCAPED}{{{min},{mixed}}})$",
            form(ASCII, max),
            form(THREE_BYTES, self.three_bytes()),
            form(ANY, self.any()),
        );
        let counted = (escapes > 0).then_some(counted);
        [Some(long), counted].into_iter().flatten().map(|regex| self.pattern(min, regex)).collect()
    }

    fn pattern(self, min: usize, regex: String) -> Pattern {
        Pattern { regex, must: self.must(min) }
    }

    fn must(self, min: usize) -> String {
        let Self { max, escapes, .. } = self;
        let least = if min == 0 { "at most" } else { "1 to" };
        let wide = match (self.three_bytes(), self.any()) {
            (_, any) if any == max => String::new(),
            (three, any) => format!(
                " in ASCII, {three} when one of them is not, {any} when one takes four bytes in \
                 UTF-8"
            ),
        };
        let with_escapes = match escapes {
            0 => String::new(),
            _ => format!(
                "{} in ASCII with up to {escapes} of these, else ",
                self.ascii_with_escapes()
            ),
        };
        let mixed = self.any_or_escaped();
        format!(
            "must have {least} {max} characters{wide}; with <, > or & {with_escapes}{mixed}; \
             without control characters"
        )
    }

    /// Returns whether the API accepts a text, which may be empty.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        let characters = text.chars().count();
        let escaped = text.chars().filter(|c| matches!(c, '<' | '>' | '&')).count();
        let is_within = |most: usize| characters <= most;
        let is_three_bytes = || text.chars().all(|c| c.len_utf8() <= 3);
        let has_a_form = match escaped {
            0 if text.is_ascii() => is_within(self.max),
            0 => is_within(self.any()) || is_three_bytes() && is_within(self.three_bytes()),
            _ => {
                let is_few = text.is_ascii() && escaped <= self.escapes;
                is_few && is_within(self.ascii_with_escapes()) || is_within(self.any_or_escaped())
            }
        };
        has_a_form && !text.chars().any(is_refused)
    }

    /// Returns the text in a form that the API accepts: on one line, without control characters,
    /// and, if it is too long, shortened so that it ends in `end`.
    #[must_use]
    pub fn fit<'a>(self, text: &'a str, end: &str) -> Cow<'a, str> {
        if self.accepts(text) {
            return Cow::Borrowed(text);
        }
        let line = text.replace(is_refused, " ");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.accepts(&line) {
            return Cow::Owned(line);
        }
        let cuts: Vec<usize> = line.char_indices().map(|(cut, _)| cut).take(self.max).collect();
        let shortened = |cut: usize| line[..cut].trim_end().to_owned() + end;
        let mut from_the_longest = cuts.into_iter().rev().map(shortened);
        Cow::Owned(from_the_longest.find(|shortened| self.accepts(shortened)).unwrap_or_default())
    }
}

fn is_refused(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    const ALL: [TextBound; 6] = [COMPUTER, USER, VERSION, SHORT, MESSAGE, SEARCH];

    fn regexes(bound: TextBound) -> Vec<Regex> {
        let patterns = bound.patterns(0);
        patterns.iter().map(|pattern| Regex::new(&pattern.regex).expect("it compiles")).collect()
    }

    fn matches(bound: TextBound, regexes: &[Regex], text: &str) -> bool {
        text.chars().count() <= bound.max && regexes.iter().all(|regex| regex.is_match(text))
    }

    /// Returns the number of bytes that Go's JSON encoder writes for a text without control
    /// characters.
    fn stored_bytes(text: &str) -> usize {
        let bytes = |c: char| match c {
            '<' | '>' | '&' => 6,
            '"' | '\\' => 2,
            other => other.len_utf8(),
        };
        text.chars().map(bytes).sum()
    }

    #[test]
    fn computers_and_users_have_these_forms() {
        for (bound, ascii, three, any, few, mixed) in
            [(COMPUTER, 63, 42, 31, 51, 21), (USER, 96, 64, 48, 84, 32)]
        {
            let regexes = regexes(bound);
            let accepts = |text: String| {
                assert_eq!(matches(bound, &regexes, &text), bound.accepts(&text), "{text}");
                bound.accepts(&text)
            };
            for (character, most) in [("\"", ascii), ("漢", three), ("🦀", any), ("&", mixed)] {
                assert!(accepts(character.repeat(most)), "{most} {character}");
                assert!(!accepts(character.repeat(most + 1)), "{} {character}", most + 1);
            }
            let quotes = |number: usize| "\"".repeat(number);
            assert!(accepts("<&>&".to_owned() + &quotes(few)));
            assert!(
                accepts(quotes(few) + "<&>&") && accepts("&<".to_owned() + &quotes(few) + ">&")
            );
            assert!(!accepts("<&>&".to_owned() + &quotes(few + 1)));
            assert!(!accepts("<&>&<".to_owned() + &quotes(few - 1)));
        }
    }

    #[test]
    fn a_text_is_fitted_and_marked() {
        let fit = |text: &str| COMPUTER.fit(text, "...").into_owned();
        assert_eq!(
            fit("Christopher Montgomery’s MacBook Pro"),
            "Christopher Montgomery’s MacBook Pro"
        );
        assert_eq!(fit("R&D-Müller"), "R&D-Müller");
        assert_eq!(fit("\u{7}WS1\r\nx\u{2028}"), "WS1 x");
        assert_eq!(fit("\u{1}"), "");
        assert_eq!(fit(&"a".repeat(64)), "a".repeat(60) + "...");
        assert_eq!(fit(&"é".repeat(64)), "é".repeat(39) + "...");
        assert_eq!(fit(&"&é".repeat(64)), "&é".repeat(9) + "...");
        assert_eq!(fit(&("a".repeat(59) + " b cdef")), "a".repeat(59) + "...");
    }

    proptest! {
        #[test]
        fn the_patterns_accept_what_the_function_accepts(text in r#"[<>&"\\aé漢🦀\n]{0,130}"#) {
            for bound in ALL {
                prop_assert_eq!(matches(bound, &regexes(bound), &text), bound.accepts(&text));
            }
        }

        #[test]
        fn what_is_accepted_or_fitted_takes_no_more_bytes(
            text in r#"([a"]{0,40}[<>&]{0,2}){0,4}|[<>&"\\aé漢🦀\n]{0,130}"#,
        ) {
            for bound in ALL {
                let fitted = bound.fit(&text, "...");
                prop_assert!(bound.accepts(&fitted), "{}", fitted);
                prop_assert!(stored_bytes(&fitted) <= bound.bytes, "{}", fitted);
                prop_assert!(fitted.is_empty() == text.trim().is_empty(), "{}", fitted);
            }
        }
    }
}
