//! Makes slugs: short texts of lower case ASCII letters, digits and hyphens that stand for texts
//! which cannot be a client's name or a label's value.
//!
//! A slug depends on nothing but its text, so that each export gives a client the same name. The
//! function must never change: a changed slug would make a new client of an existing one.

use ring::digest::{SHA256, digest};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::api::invisible::is_invisible;

/// Length of the hash at the end of a slug. The hash has 2.8 * 10^11 values.
const HASH_LENGTH: usize = 8;
/// Characters of the hash: those that Kubernetes uses for generated names. They spell no words and
/// are not mistaken for each other.
const HASH_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Latin letters that have no Unicode decomposition, and the ASCII letters in their place.
const LATIN: [(char, &str); 12] = [
    ('ß', "ss"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ø', "o"),
    ('đ', "d"),
    ('ð', "d"),
    ('ħ', "h"),
    ('ı', "i"),
    ('ł', "l"),
    ('ŋ', "n"),
    ('þ', "th"),
    ('ŧ', "t"),
];

/// Returns the slug of a text, of at most `max` characters: what of the text ASCII can express, and
/// a hash of the whole text. The hash keeps the slugs of different texts apart, such as of
/// `R&D` and `R/D`.
///
/// Texts with the same Unicode normalization have the same slug, because they are the same text in
/// two encodings.
pub(super) fn slug(text: &str, max: usize) -> String {
    let normal: String = text.nfc().collect();
    let mut words = words(&normal);
    words.truncate(max.saturating_sub(HASH_LENGTH + 1));
    let words = words.trim_end_matches('-');
    let hash = hash(&normal);
    if words.is_empty() { hash } else { format!("{words}-{hash}") }
}

/// Returns the letters and digits of a text in lower case ASCII, with a hyphen in place of
/// everything between them.
fn words(text: &str) -> String {
    let mut words = String::new();
    let characters = text.nfkd().filter(|c| !is_combining_mark(*c) && !is_invisible(*c));
    for character in characters.flat_map(char::to_lowercase) {
        let latin = LATIN.iter().find(|(letter, _)| *letter == character);
        if character.is_ascii_alphanumeric() {
            words.push(character);
        } else if let Some((_, ascii)) = latin {
            words.push_str(ascii);
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
    }
    words
}

fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let first =
        digest.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut rest = usize::try_from(first % 27_u64.pow(8)).unwrap_or_default();
    let mut hash = String::with_capacity(HASH_LENGTH);
    for _ in 0..HASH_LENGTH {
        hash.push(char::from(HASH_ALPHABET[rest % HASH_ALPHABET.len()]));
        rest /= HASH_ALPHABET.len();
    }
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::{bounds, is_client_name, is_label_value};

    #[test]
    fn a_slug_never_changes() {
        let slugs = [
            "Human Resources",
            "Köln",
            "R&D",
            "R/D",
            "Straße 7 – Øst",
            "佐藤のPC",
            "東京",
            "<lab>",
            "A very long name that no computer has had since computers have had names",
        ];
        let slugs: Vec<String> =
            slugs.iter().map(|text| format!("{text} -> {}", slug(text, 63))).collect();
        insta::assert_snapshot!(slugs.join("\n"), @r"
        Human Resources -> human-resources-xnwtnp7f
        Köln -> koln-4btdfz82
        R&D -> r-d-sndzqhht
        R/D -> r-d-89mfvfdg
        Straße 7 – Øst -> strasse-7-ost-xp9nmnpg
        佐藤のPC -> pc-x9w82grw
        東京 -> qrns9jk8
        <lab> -> lab-q8kmvddn
        A very long name that no computer has had since computers have had names -> a-very-long-name-that-no-computer-has-had-since-comput-g2g5txxj
        ");
    }

    #[test]
    fn the_same_text_in_two_encodings_is_one() {
        assert_eq!(slug("K\u{f6}ln", 63), slug("Ko\u{308}ln", 63));
        assert_ne!(slug("Köln", 63), slug("Koln", 63));
        assert_ne!(slug("Köln", 63), slug("köln", 63));
    }

    proptest! {
        #[test]
        fn slugs_are_stable_valid_and_distinct(
            texts in proptest::collection::btree_set(r"\PC{0,80}|[A-Za-z äß&<>/.-]{1,12}", 2..20),
        ) {
            let mut slugs = std::collections::BTreeMap::new();
            for text in &texts {
                let made = slug(text, bounds::NAME);
                prop_assert_eq!(&made, &slug(text, bounds::NAME));
                prop_assert!(is_client_name(&made) && is_label_value(&made), "{}", made);
                let normal: String = text.nfc().collect();
                let other = slugs.insert(made.clone(), normal.clone());
                prop_assert!(other.is_none_or(|other| other == normal), "{}", made);
            }
        }
    }
}
