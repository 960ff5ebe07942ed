//! Defines the client fields that selectors use to match clients.

use std::net::IpAddr;

use crate::api::fleet::{Client, Reported};
use crate::api::{Labels, Text};
use crate::values::Version;
use crate::values::selector::fold_case;

/// A searchable field of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Name of the client.
    Name,
    /// Name of the client's computer.
    Computer,
    /// IP address of the client.
    Ip,
    /// User who last logged in to the client.
    LastUser,
}

impl Field {
    /// All searchable fields.
    pub const ALL: [Self; 4] = [Self::Name, Self::Computer, Self::Ip, Self::LastUser];

    /// Returns the name of the field in a client's spec.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Computer => "computer",
            Self::Ip => "ip",
            Self::LastUser => "lastUser",
        }
    }

    /// Returns whether the value of the field often changes.
    pub(crate) const fn is_moving(self) -> bool {
        matches!(self, Self::Ip | Self::LastUser)
    }

    /// Returns the text of the field as written in the client's spec; `None` if the client has not
    /// reported the field.
    pub(super) fn written(self, client: &Client) -> Option<&Text> {
        let reported = |field: fn(&Reported) -> Option<&Text>| {
            client.reported.as_ref().and_then(field).filter(|text| !text.is_empty())
        };
        match self {
            Self::Name => Some(&client.name),
            Self::Computer => reported(|r| r.computer.as_ref()),
            Self::Ip => reported(|r| r.ip.as_ref()),
            Self::LastUser => reported(|r| r.last_user.as_ref()),
        }
    }

    /// Normalizes a selector's value for the comparison with [`ClientFields::compared`]. Names are
    /// compared exactly; for the other fields, case is ignored.
    pub(super) fn normalized(self, value: &str) -> String {
        match self {
            Self::Name => value.to_owned(),
            Self::Computer | Self::Ip | Self::LastUser => fold_case(value),
        }
    }
}

/// The fields of a client that selectors compare.
#[derive(Clone, Copy, Debug)]
pub struct ClientFields<'a> {
    /// Name of the client.
    pub name: &'a str,
    /// Labels of the client.
    pub labels: &'a Labels,
    /// IP addresses of the client that can be parsed.
    pub addresses: &'a [IpAddr],
    /// Whether the client may have further addresses, because it reports none or one that cannot
    /// be parsed.
    pub address_unknown: bool,
    /// Version that the client runs, if it can be parsed.
    pub version: Option<&'a Version>,
    /// Searchable fields, case-folded, in the order of [`Field::ALL`]. A missing field is an empty
    /// string.
    pub folded: [&'a str; Field::ALL.len()],
}

impl ClientFields<'_> {
    /// Returns a copy of the client's fields in which `field` is empty.
    #[must_use]
    pub(crate) fn without(mut self, field: Field) -> Self {
        self.folded[field as usize] = "";
        if field == Field::Ip {
            self.addresses = &[];
            self.address_unknown = true;
        }
        self
    }

    /// Returns a copy of the client's fields without the version.
    #[must_use]
    pub(crate) fn without_version(mut self) -> Self {
        self.version = None;
        self
    }

    /// Returns the text of `field` for the comparison with a selector's values. The name is
    /// returned as written; the other fields are case-folded.
    pub(super) fn compared(&self, field: Field) -> &str {
        match field {
            Field::Name => self.name,
            Field::Computer | Field::Ip | Field::LastUser => self.folded[field as usize],
        }
    }
}
