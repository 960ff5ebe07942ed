//! Lists the fields of a client that a column can provide, and the titles that inventory tools use
//! for these columns.

/// A client field that a column of the export can provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Name,
    Computer,
    Ip,
    LastUser,
    Version,
    StagedVersion,
    LastSeen,
    TimeZone,
    ErrorVersion,
    ErrorMessage,
    ErrorTime,
}

/// Client fields with their API names, and the column titles that inventory tools use for each
/// field. The titles are in lower case and contain only letters and digits.
pub(super) const FIELDS: [(Field, &str, &[&str]); 11] = [
    (
        Field::Name,
        "name",
        &[
            "name",
            "client",
            "clientname",
            "clientid",
            "device",
            "deviceid",
            "deviceuuid",
            "machineid",
            "asset",
            "assetid",
            "assetname",
            "assettag",
            "assetnumber",
            "serial",
            "serialno",
            "serialnumber",
            "uuid",
        ],
    ),
    (
        Field::Computer,
        "computer",
        &[
            "computer",
            "computername",
            "host",
            "hostname",
            "machine",
            "machinename",
            "devicename",
            "netbiosname",
            "pcname",
            "workstation",
        ],
    ),
    (
        Field::Ip,
        "ip",
        &["ip", "ipaddress", "ipaddr", "ipv4", "ipv4address", "lastip", "lastipaddress", "lanip"],
    ),
    (
        Field::LastUser,
        "lastUser",
        &[
            "lastuser",
            "lastusername",
            "lastloggedinuser",
            "lastloggedonuser",
            "lastloginuser",
            "lastlogonuser",
            "lastlogonusername",
            "loggedinuser",
            "loggedonuser",
            "currentuser",
            "user",
            "username",
        ],
    ),
    (
        Field::Version,
        "version",
        &[
            "version",
            "clientversion",
            "currentclientversion",
            "currentversion",
            "agentversion",
            "installedversion",
            "softwareversion",
            "productversion",
        ],
    ),
    (
        Field::StagedVersion,
        "stagedVersion",
        &[
            "stagedversion",
            "staged",
            "stagedclientversion",
            "pendingversion",
            "pendingclientversion",
        ],
    ),
    (
        Field::LastSeen,
        "lastSeen",
        &[
            "lastseen",
            "lastseenat",
            "lastcontact",
            "lastcontacttime",
            "lastcheckin",
            "lastcheckintime",
            "lastcommunication",
            "lastsync",
            "lastsynctime",
            "lastonline",
            "lastconnected",
            "lastactive",
            "lastheard",
            "lastreported",
        ],
    ),
    (Field::TimeZone, "timeZone", &["timezone", "timezonename", "timezoneid", "tz"]),
    (
        Field::ErrorVersion,
        "lastError.version",
        &["lasterrorversion", "errorversion", "failedversion", "lastfailedversion"],
    ),
    (
        Field::ErrorMessage,
        "lastError.message",
        &["lasterrormessage", "lasterror", "lasterrortext", "errormessage", "error"],
    ),
    (
        Field::ErrorTime,
        "lastError.time",
        &["lasterrortime", "lasterrordate", "lasterrorat", "errortime", "failedat"],
    ),
];

impl Field {
    /// Returns all fields.
    pub fn all() -> impl Iterator<Item = Self> {
        FIELDS.iter().map(|(field, ..)| *field)
    }

    /// Returns the name of the field, as `--column` accepts it.
    pub fn name(self) -> &'static str {
        FIELDS.iter().find(|(field, ..)| *field == self).map_or("", |(_, name, _)| name)
    }

    /// Returns the path of the field in a client, such as `reported.ip`.
    pub fn path(self) -> String {
        match self {
            Self::Name | Self::TimeZone => self.name().to_owned(),
            _ => format!("reported.{}", self.name()),
        }
    }

    /// Returns the field with this name, compared without case and punctuation.
    pub fn named(name: &str) -> Option<Self> {
        let name = plain(name);
        FIELDS.iter().find(|(_, known, _)| plain(known) == name).map(|(field, ..)| *field)
    }
}

/// Returns whether inventory tools use a text as the title of a column.
pub(super) fn is_title(text: &str) -> bool {
    let text = plain(text);
    FIELDS.iter().any(|(.., titles)| titles.contains(&text.as_str()))
}

/// Normalizes a title for comparison: lower case, letters and digits only.
pub(super) fn plain(title: &str) -> String {
    title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
