//! Defines which attributes are facts about a client.

use super::config_data::MAX_KEY_BYTES;

/// Keys of the attributes that are facts about a client. By default, they are the names of the
/// facts: `version`, `computer`, `user` and `bootId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeNames {
    /// Key of the version that the client runs.
    pub(super) version: String,
    /// Key of the computer's name.
    pub(super) computer: String,
    /// Key of the user who logged in last.
    pub(super) user: String,
    /// Key of the boot id, which changes at each restart: `/proc/sys/kernel/random/boot_id`.
    pub(super) boot_id: String,
}

/// A text does not rename an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeNameError {
    /// The text has another form.
    #[error(
        "{0:?} renames no attribute: write version, computer, user or bootId, an equals sign, and \
         the agent's name for it, as version=fw_version"
    )]
    BadForm(String),
    /// The key is too long.
    #[error("the name of attribute {0} has more than {MAX_KEY_BYTES} bytes")]
    TooLong(String),
    /// A fact has two keys.
    #[error("attribute {0} is renamed twice: write one name")]
    Twice(String),
    /// Two facts have the same key.
    #[error("attribute {0:?} has two meanings: give each of them a name of its own")]
    Ambiguous(String),
}

impl Default for AttributeNames {
    fn default() -> Self {
        let [version, computer, user, boot_id] = FACTS.map(ToOwned::to_owned);
        Self { version, computer, user, boot_id }
    }
}

const FACTS: [&str; 4] = ["version", "computer", "user", "bootId"];

impl AttributeNames {
    /// Returns the names with changes of the form `version=fw_version`. The default name of a renamed
    /// fact is an attribute like any other.
    ///
    /// # Errors
    /// Returns an [`AttributeNameError`] if a text has another form, or if an attribute would have two
    /// meanings.
    pub fn renamed<'a>(
        changes: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AttributeNameError> {
        let mut names = Self::default();
        let mut renamed = Vec::new();
        for change in changes {
            let bad_form = || AttributeNameError::BadForm(change.to_owned());
            let (fact, key) = change.split_once('=').ok_or_else(bad_form)?;
            let name = names.of(fact).filter(|_| !key.is_empty()).ok_or_else(bad_form)?;
            if key.len() > MAX_KEY_BYTES {
                return Err(AttributeNameError::TooLong(fact.to_owned()));
            }
            if renamed.contains(&fact) {
                return Err(AttributeNameError::Twice(fact.to_owned()));
            }
            key.clone_into(name);
            renamed.push(fact);
        }
        let mut keys = names.all();
        keys.sort_unstable();
        match keys.windows(2).find(|keys| keys[0] == keys[1]) {
            Some(keys) => Err(AttributeNameError::Ambiguous(keys[0].to_owned())),
            None => Ok(names),
        }
    }

    /// Returns whether the attribute `key` is a fact.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.all().contains(&key)
    }

    fn all(&self) -> [&str; 4] {
        [&self.version, &self.computer, &self.user, &self.boot_id]
    }

    fn of(&mut self, fact: &str) -> Option<&mut String> {
        let names = [&mut self.version, &mut self.computer, &mut self.user, &mut self.boot_id];
        FACTS.into_iter().zip(names).find(|(name, _)| *name == fact).map(|(_, name)| name)
    }
}
