//! Recognizes update agents by their `User-Agent` header, and defines how answers depend on the
//! agent.
//!
//! Any client can send any header. Nothing that protects other clients may depend on the agent.

use super::path::FileName;

/// A program that polls the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Agent {
    /// swupdate with suricatta, which sends `libcurl-agent/1.0`.
    Swupdate,
    /// rauc-hawkbit-updater, the RAUC client in C, which sends `rauc-hawkbit-c-agent/1.0`.
    RaucHawkbitUpdater,
    /// rauc-hawkbit, the RAUC client in Python, which sends `Python/3.11 aiohttp/3.8.4`.
    RaucHawkbit,
    /// `clientfleet agent`.
    Clientfleet,
    /// An agent that sends no header, such as Zephyr.
    #[default]
    Unnamed,
    /// Any other agent.
    Other,
}

/// Beginnings of the products in a `User-Agent` header (RFC 9110, section 10.1.5), in lower case.
const PRODUCTS: [(&str, Agent); 4] = [
    ("libcurl-agent/", Agent::Swupdate),
    ("rauc-hawkbit-c-agent/", Agent::RaucHawkbitUpdater),
    ("aiohttp/", Agent::RaucHawkbit),
    ("clientfleet-agent/", Agent::Clientfleet),
];

impl Agent {
    /// Returns the agent that sends a `User-Agent` header; `None` is a request without the header.
    #[must_use]
    pub fn from_user_agent(header: Option<&str>) -> Self {
        let header = header.unwrap_or_default().trim().to_ascii_lowercase();
        if header.is_empty() {
            return Self::Unnamed;
        }
        let agent = |product: &str| {
            PRODUCTS.iter().find(|(name, _)| product.starts_with(name)).map(|(_, agent)| *agent)
        };
        header.split_ascii_whitespace().find_map(agent).unwrap_or(Self::Other)
    }

    /// Returns whether the agent closes an action only after the restart, and only if the base
    /// answer still links it. Other agents install the version again at the next poll if the link is
    /// still there.
    #[must_use]
    pub fn closes_after_restart(self) -> bool {
        matches!(self, Self::Swupdate | Self::Unnamed)
    }

    /// Returns the file of a package that the agent installs, or `None` if there is no such file or
    /// if the choice is ambiguous.
    ///
    /// swupdate passes over files that do not end in `.swu`, and then reports a failure. A RAUC
    /// client prefers `.raucb`. Any agent installs the only file.
    #[must_use]
    pub fn choose(self, files: &[FileName]) -> Option<&FileName> {
        let only = |suffix: &str| {
            let mut matching = files.iter().filter(|file| file.as_str().ends_with(suffix));
            matching.next().filter(|_| matching.next().is_none())
        };
        match self {
            Self::Swupdate => only(".swu"),
            Self::RaucHawkbitUpdater | Self::RaucHawkbit => only(".raucb").or_else(|| only("")),
            Self::Clientfleet | Self::Unnamed | Self::Other => only(""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_recognized() {
        for (header, agent) in [
            (None, Agent::Unnamed),
            (Some(" "), Agent::Unnamed),
            (Some("libcurl-agent/1.0"), Agent::Swupdate),
            (Some("rauc-hawkbit-c-agent/1.0"), Agent::RaucHawkbitUpdater),
            (Some("Python/3.11 aiohttp/3.8.4"), Agent::RaucHawkbit),
            (Some("clientfleet-agent/0.1.0 (linux)"), Agent::Clientfleet),
            (Some("ESP32HTTPClient"), Agent::Other),
            (Some("curl/7.88.1"), Agent::Other),
            (Some("not-libcurl-agent/1.0"), Agent::Other),
        ] {
            assert_eq!(Agent::from_user_agent(header), agent, "{header:?}");
        }
    }

    #[test]
    fn an_agent_gets_a_file_that_it_installs() {
        let chosen = |agent: Agent, names: &[&str]| {
            let files: Vec<_> =
                names.iter().map(|name| FileName::parse(name).expect("a name")).collect();
            agent.choose(&files).map(|file| file.as_str().to_owned())
        };
        let all = ["a.bin", "a.raucb", "a.swu"];
        for (agent, names, file) in [
            (Agent::Swupdate, &all[..], Some("a.swu")),
            (Agent::Swupdate, &all[..1], None),
            (Agent::Swupdate, &["a.swu", "b.swu"], None),
            (Agent::RaucHawkbitUpdater, &all, Some("a.raucb")),
            (Agent::RaucHawkbit, &all[..1], Some("a.bin")),
            (Agent::RaucHawkbit, &["a.raucb", "b.raucb"], None),
            (Agent::Unnamed, &all, None),
            (Agent::Clientfleet, &all[2..], Some("a.swu")),
            (Agent::Other, &[], None),
        ] {
            assert_eq!(chosen(agent, names).as_deref(), file, "{agent:?} {names:?}");
        }
    }

    #[test]
    fn two_agents_close_after_the_restart() {
        assert!(Agent::Swupdate.closes_after_restart() && Agent::Unnamed.closes_after_restart());
        for agent in
            [Agent::RaucHawkbitUpdater, Agent::RaucHawkbit, Agent::Clientfleet, Agent::Other]
        {
            assert!(!agent.closes_after_restart(), "{agent:?}");
        }
    }
}
