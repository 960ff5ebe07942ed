//! Reads the identity of a client from a cell, and the value of a label: trims invisible characters,
//! and makes slugs of texts that cannot be a name or a value.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use unicode_normalization::UnicodeNormalization;

use super::slug::slug;
use crate::api::invisible::{is_hidden, is_invisible};
use crate::api::{Text, bounds, is_client_name, is_label_value};

/// Returns a cell without blanks and invisible characters at its ends.
pub(super) fn trim(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Returns the first invisible character of a text.
pub(super) fn invisible(text: &str) -> Option<char> {
    text.chars().find(|character| is_invisible(*character))
}

/// Returns a text without its invisible characters, and with ordinary blanks in place of others.
/// Control characters stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let blank = |c: char| if c.is_whitespace() && !c.is_control() { ' ' } else { c };
    Cow::Owned(text.chars().map(blank).filter(|c| !is_hidden(*c)).collect())
}

/// Returns the form of a name in which names are equal that differ only in case, in how Unicode
/// composes their characters, or in invisible characters. Older fleets may hold such characters.
pub(super) fn folded(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(name.to_ascii_lowercase());
        }
        return Cow::Borrowed(name);
    }
    let visible = visible(name);
    Cow::Owned(visible.nfkc().flat_map(char::to_lowercase).nfkc().collect())
}

/// The client names and label values that the import made of other texts.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// Identities by the name that was made of them.
    pub names: BTreeMap<Text, String>,
    /// Names of [`Self::names`] whose client has another computer name, so that no field keeps its
    /// identity.
    pub unkept: BTreeSet<Text>,
    /// Values of cells by label key and the label value that was made of them.
    pub labels: BTreeMap<String, BTreeMap<Text, String>>,
}

/// Makes the names of clients and the values of labels, and remembers what became what.
#[derive(Debug, Default)]
pub(super) struct Deriving {
    /// True if identities that cannot be a name become slugs.
    pub derives_names: bool,
    made: RefCell<Derived>,
    /// The cell for each label value, by label key.
    sources: RefCell<HashMap<String, HashMap<Text, String>>>,
}

impl Deriving {
    pub fn new(derives_names: bool) -> Self {
        Self { derives_names, ..Self::default() }
    }

    /// Returns the name of the client with this identity. The name of an identity with invisible
    /// characters is not derived: such an identity is a mistake, because it looks like another.
    pub fn name(&self, identity: &str) -> Text {
        let is_derived = self.derives_names
            && !identity.is_empty()
            && !is_client_name(identity)
            && invisible(identity).is_none();
        if is_derived { slug(identity, bounds::NAME).into() } else { identity.into() }
    }

    /// Records that `name` is made of `identity`. `is_kept` says whether the client's computer name
    /// is the identity.
    pub fn record(&self, name: &Text, identity: &str, is_kept: bool) {
        let mut made = self.made.borrow_mut();
        made.names.insert(name.clone(), identity.to_owned());
        if !is_kept {
            made.unkept.insert(name.clone());
        }
    }

    /// Returns the value of the label `key` for the content of a cell.
    ///
    /// # Errors
    ///
    /// Returns the reason if another cell has the same value already.
    pub fn label(&self, key: &str, cell: &str) -> Result<Text, String> {
        let is_derived = !is_label_value(cell);
        let value: Text = if is_derived { slug(cell, bounds::LABEL).into() } else { cell.into() };
        let mut sources = self.sources.borrow_mut();
        if !sources.contains_key(key) {
            sources.insert(key.to_owned(), HashMap::new());
        }
        let Some(sources) = sources.get_mut(key) else { return Ok(value) };
        match sources.get(&value) {
            Some(source) if source == cell || source.nfc().eq(cell.nfc()) => {}
            Some(source) => {
                return Err(format!(
                    "would become the label `{value}`, as \"{source}\" of another row does: write \
                     one of the two otherwise"
                ));
            }
            None => {
                sources.insert(value.clone(), cell.to_owned());
                if is_derived {
                    let mut made = self.made.borrow_mut();
                    let labels = made.labels.entry(key.to_owned()).or_default();
                    labels.insert(value.clone(), cell.to_owned());
                }
            }
        }
        Ok(value)
    }

    /// Returns what was made for the clients in `names`.
    pub fn finish(self, is_client: impl Fn(&str) -> bool) -> Derived {
        let mut made = self.made.into_inner();
        made.names.retain(|name, _| is_client(name));
        made.unkept.retain(|name| is_client(name));
        made
    }
}

/// Names in an export that are different clients but look alike, each with its line.
pub(super) type Lookalikes = Vec<Vec<(Text, usize)>>;

/// Returns the groups of names that differ only in case, in the order of their first lines.
pub(super) fn lookalikes<'a>(names: impl Iterator<Item = (&'a Text, usize)>) -> Lookalikes {
    let mut groups: HashMap<Cow<'a, str>, Vec<(Text, usize)>> = HashMap::new();
    for (name, line) in names {
        groups.entry(folded(name)).or_default().push((name.clone(), line));
    }
    let mut alike: Lookalikes = groups.into_values().filter(|names| names.len() > 1).collect();
    for names in &mut alike {
        names.sort_by_key(|(_, line)| *line);
    }
    alike.sort_by_key(|names| names.first().map(|(_, line)| *line));
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_trimmed_and_the_middle_is_not() {
        for (cell, trimmed) in [
            ("\u{feff}LT-1\u{200b}", "LT-1"),
            (" \u{a0}LT 1\u{2060} ", "LT 1"),
            ("LT\u{ad}1", "LT\u{ad}1"),
            ("\u{202e}\u{feff}", ""),
        ] {
            assert_eq!(trim(cell), trimmed);
        }
        assert_eq!(visible("a\u{a0}b\u{200b}c\u{7}"), "a bc\u{7}");
        assert_eq!(invisible("LT\u{ad}1"), Some('\u{ad}'));
        assert_eq!(invisible("Köln 1"), None);
    }

    #[test]
    fn only_what_cannot_be_a_name_is_derived() {
        let deriving = Deriving::new(true);
        for name in ["LT-1", "Köln-PC 1", "", "a\u{200b}b"] {
            assert_eq!(deriving.name(name), Text::from(name));
        }
        assert_ne!(deriving.name("R&D 1"), Text::from("R&D 1"));
        assert_eq!(Deriving::new(false).name("R&D 1"), Text::from("R&D 1"));
    }

    #[test]
    fn two_values_never_become_one_label() {
        let deriving = Deriving::default();
        let made = deriving.label("site", "R&D").expect("it is the first");
        assert_eq!(deriving.label("site", "R&D"), Ok(made.clone()));
        assert!(deriving.label("site", &made).is_err());
        assert!(deriving.label("floor", &made).is_ok());
        assert_eq!(deriving.label("site", "berlin"), Ok("berlin".into()));
    }

    #[test]
    fn names_that_differ_only_in_case_are_found() {
        let names = ["BER-6", "x", "ber-6", "Ähre", "a\u{308}hre", "X1", "L\u{200b}1", "L1"]
            .map(Text::from);
        let alike = lookalikes(names.iter().zip(2..));
        let wanted = vec![
            vec![("BER-6".into(), 2), ("ber-6".into(), 4)],
            vec![("Ähre".into(), 5), ("a\u{308}hre".into(), 6)],
            vec![("L\u{200b}1".into(), 8), ("L1".into(), 9)],
        ];
        assert_eq!(alike, wanted);
    }
}
