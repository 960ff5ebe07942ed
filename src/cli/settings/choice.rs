//! Defines the settings that an administrator can choose for a policy, and parses the value of
//! `--select`. Contacts no cluster.

use serde::Serialize;

use crate::api::Text;
use crate::api::policy::{Mode, Setting, Upgrade};
use crate::plan::version_text::VersionText;

/// A possible setting of a policy: a mode, with a version for `OnlyUpgradeTo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Choice {
    pub mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
}

impl Choice {
    /// Returns the setting in the spec of a policy.
    pub fn of(upgrade: &Upgrade) -> Self {
        let version = upgrade.version.clone().filter(|_| upgrade.mode == Mode::OnlyUpgradeTo);
        Self { mode: upgrade.mode.as_str().to_owned(), version }
    }

    /// Converts an available setting from the status of a policy to a choice.
    pub fn from_setting(setting: &Setting) -> Self {
        Self { mode: setting.mode.to_string(), version: setting.version.clone() }
    }

    /// Returns whether both choices have the same mode and the same version. Different spellings of
    /// a version count as the same version.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let spelled = |choice: &Self| choice.version.clone().map(VersionText::new);
        self.mode == other.mode
            && match (spelled(self), spelled(other)) {
                (Some(a), Some(b)) => a.is_same_as(&b),
                (None, None) => true,
                _ => false,
            }
    }

    /// Returns the mode; `None` if this program does not support the mode.
    pub(crate) fn known_mode(&self) -> Option<Mode> {
        MODES.into_iter().find(|mode| mode.as_str() == self.mode)
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} {version}", self.mode),
            None => f.write_str(&self.mode),
        }
    }
}

const MODES: [Mode; 3] = [Mode::NoUpgrade, Mode::AutoUpgrade, Mode::OnlyUpgradeTo];

/// The value of `--select`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// Number of a choice in the list that `settings` prints, starting at 1.
    Number(usize),
    /// Mode and version of a choice, as the user specifies them.
    Spoken(Choice),
}

impl Selection {
    /// Parses the value of `--select`: `2`, `NoUpgrade`, `AutoUpgrade` or
    /// `OnlyUpgradeTo=3.59.127.0`.
    pub fn read(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        let (word, version) = match text.split_once('=') {
            Some((word, version)) => (word, Some(version.trim())),
            None => (text, None),
        };
        let mode = MODES.into_iter().find(|mode| mode.as_str().eq_ignore_ascii_case(word.trim()));
        let how = "write a number of the list, NoUpgrade, AutoUpgrade or OnlyUpgradeTo=VERSION";
        match (mode, version) {
            (Some(Mode::OnlyUpgradeTo), None) => {
                Err("write the version too, as OnlyUpgradeTo=3.59.127.0".to_owned())
            }
            (Some(Mode::OnlyUpgradeTo), Some(version)) => {
                crate::values::Version::parse(version).map_err(|error| error.to_string())?;
                let mode = Mode::OnlyUpgradeTo.as_str().to_owned();
                Ok(Self::Spoken(Choice { mode, version: Some(version.into()) }))
            }
            (Some(mode), None) => {
                Ok(Self::Spoken(Choice { mode: mode.as_str().to_owned(), version: None }))
            }
            (Some(mode), Some(_)) => Err(format!("{} takes no version: {how}", mode.as_str())),
            (None, _) => Err(how.to_owned()),
        }
    }

    /// Finds the selection in `choices` and returns the matching entry, which may spell the version
    /// differently. Returns `None` if no entry matches.
    pub fn among(&self, choices: &[Choice]) -> Option<Choice> {
        match self {
            Self::Number(number) => choices.get(number.checked_sub(1)?).cloned(),
            Self::Spoken(spoken) => {
                choices.iter().find(|choice| choice.is_same_as(spoken)).cloned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(mode: &str, version: Option<&str>) -> Choice {
        Choice { mode: mode.to_owned(), version: version.map(Into::into) }
    }

    #[test]
    fn selections_are_read() {
        let spoken = |mode, version| Ok(Selection::Spoken(choice(mode, version)));
        assert_eq!(Selection::read("2"), Ok(Selection::Number(2)));
        assert_eq!(Selection::read("NoUpgrade"), spoken("NoUpgrade", None));
        assert_eq!(Selection::read("autoupgrade"), spoken("AutoUpgrade", None));
        assert_eq!(Selection::read("OnlyUpgradeTo=3.59"), spoken("OnlyUpgradeTo", Some("3.59")));
        for wrong in ["", "-1", "3.59", "OnlyUpgradeTo", "OnlyUpgradeTo=", "AutoUpgrade=1", "=3"] {
            assert!(Selection::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_meant_is_found_in_the_list_in_its_spelling() {
        let choices = [choice("NoUpgrade", None), choice("OnlyUpgradeTo", Some("3.59.0"))];
        let found = |text: &str| Selection::read(text).expect(text).among(&choices);
        assert_eq!(found("1"), Some(choices[0].clone()));
        assert_eq!(found("OnlyUpgradeTo=v3.59"), Some(choices[1].clone()));
        for missing in ["0", "3", "AutoUpgrade", "OnlyUpgradeTo=3.60"] {
            assert_eq!(found(missing), None, "{missing}");
        }
    }
}
