//! Lists the column titles and time formats of exports from common inventory products, for
//! `--preset`. Each product names the public page from which its titles are taken.

use clap::ValueEnum;

use super::columns::ColumnMap;
use super::fields::Field;
use crate::cli::terminal::table::printable;

/// Product that wrote an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Microsoft Intune: devices that have a discovered app, or all devices (without a version)
    Intune,
    /// Microsoft Configuration Manager: Get-CMDevice (without a version), or a query of installed software
    Sccm,
    /// Lansweeper: a report of the assets that have a software
    Lansweeper,
    /// GLPI: the list of computers (without a version)
    Glpi,
    /// Fleet: the report of hosts (without a version)
    Fleetdm,
    /// Jamf Pro: a search for computers (without a version)
    Jamf,
    /// Windows Server Update Services: Get-WsusComputer (without a version)
    Wsus,
}

/// The export of a product. A title counts only if it means the same as the field: the user to whom
/// a device belongs is not the user who logged in last, and the version of the product's own agent
/// is not the version of the software being upgraded.
struct ProductExport {
    /// Public page that documents the titles.
    source: &'static str,
    /// Titles for each field, in order of preference. A name has one title only, because a client
    /// would get another name when a column is added to the export.
    titles: &'static [(Field, &'static [&'static str])],
    /// Format in which the product writes times by default, if it does not depend on the computer.
    /// Times in another order of day, month and year do not match it, and are refused.
    time_format: Option<&'static str>,
    /// IANA name of the time zone, if the product always writes times in this zone.
    time_zone: Option<&'static str>,
    /// Where the product lists the version of the software on each computer.
    versions: &'static str,
}

const INTUNE: ProductExport = ProductExport {
    source: "https://learn.microsoft.com/en-us/mem/intune/fundamentals/reports-export-graph-available-reports",
    titles: &[
        (Field::Name, &["DeviceId"]),
        (Field::Computer, &["DeviceName"]),
        (Field::LastUser, &["LastLoggedOnUserUPN"]),
        (Field::Version, &["ApplicationVersion"]),
        (Field::LastSeen, &["LastContact", "Last check-in"]),
    ],
    time_format: None,
    time_zone: None,
    versions: "the export of one discovered app (the report DevicesByAppInv) has `ApplicationVersion`",
};

const SCCM: ProductExport = ProductExport {
    source: "https://learn.microsoft.com/en-us/intune/configmgr/develop/reference/core/clients/collections/sms_combineddeviceresources-server-wmi-class",
    titles: &[
        (Field::Name, &["ResourceID"]),
        (Field::Computer, &["Name", "Name0"]),
        (Field::LastUser, &["LastLogonUser", "User_Name0"]),
        (Field::Version, &["ProductVersion0"]),
        (Field::LastSeen, &["LastActiveTime"]),
    ],
    time_format: None,
    time_zone: None,
    versions: "`ClientVersion` is the version of the Configuration Manager client; a query of the \
               view v_GS_INSTALLED_SOFTWARE for one product has `ProductVersion0`",
};

const LANSWEEPER: ProductExport = ProductExport {
    source: "https://www.lansweeper.com/report/",
    titles: &[
        (Field::Name, &["AssetName"]),
        (Field::Ip, &["IPAddress"]),
        (Field::LastUser, &["Username"]),
        (Field::Version, &["Version"]),
        (Field::LastSeen, &["Lastseen"]),
    ],
    time_format: None,
    time_zone: None,
    versions: "a report of one software has its `Version`",
};

const GLPI: ProductExport = ProductExport {
    source: "https://github.com/glpi-project/glpi/blob/main/src/Computer.php",
    titles: &[
        (Field::Name, &["Serial number"]),
        (Field::Computer, &["Name"]),
        (Field::LastSeen, &["Last inventory date"]),
    ],
    time_format: Some("%Y-%m-%d %H:%M"),
    time_zone: None,
    versions: "the list of computers has none; add the column of your inventory that holds it",
};

const FLEETDM: ProductExport = ProductExport {
    source: "https://fleetdm.com/docs/rest-api/rest-api",
    titles: &[
        (Field::Name, &["uuid"]),
        (Field::Computer, &["hostname"]),
        (Field::Ip, &["primary_ip"]),
        (Field::LastSeen, &["seen_time"]),
    ],
    time_format: None,
    time_zone: None,
    versions: "`osquery_version` is the version of osquery; a query of the tables `programs` or \
               `apps` has the version of a software",
};

const JAMF: ProductExport = ProductExport {
    source: "https://docs.jamf.com/jamf-pro/administrator-guide/Computer_Inventory_Information_Reference.html",
    titles: &[
        (Field::Name, &["Serial Number"]),
        (Field::Computer, &["Computer Name"]),
        (Field::Ip, &["Last Reported IP Address"]),
        (Field::LastSeen, &["Last Check-in"]),
    ],
    time_format: Some("%Y-%m-%d %H:%M:%S"),
    time_zone: None,
    versions: "an extension attribute can report the version of a software as a column",
};

const WSUS: ProductExport = ProductExport {
    source: "https://learn.microsoft.com/en-us/previous-versions/windows/desktop/aa354292(v=vs.85)",
    titles: &[
        (Field::Name, &["FullDomainName"]),
        (Field::Ip, &["IPAddress"]),
        (Field::LastSeen, &["LastSyncTime"]),
    ],
    time_format: None,
    time_zone: Some("UTC"),
    versions: "`ClientVersion` is the version of the Windows Update agent",
};

impl Preset {
    const fn export(self) -> &'static ProductExport {
        match self {
            Self::Intune => &INTUNE,
            Self::Sccm => &SCCM,
            Self::Lansweeper => &LANSWEEPER,
            Self::Glpi => &GLPI,
            Self::Fleetdm => &FLEETDM,
            Self::Jamf => &JAMF,
            Self::Wsus => &WSUS,
        }
    }

    /// Returns the titles of the columns that can provide a field, in order of preference.
    pub fn titles(self, field: Field) -> &'static [&'static str] {
        let titles = self.export().titles.iter().find(|(known, _)| *known == field);
        titles.map_or(&[], |(_, titles)| *titles)
    }

    /// Returns the format in which the product writes times by default.
    pub const fn time_format(self) -> Option<&'static str> {
        self.export().time_format
    }

    /// Returns the time zone in which the product writes times, if it is always the same.
    pub const fn time_zone(self) -> Option<&'static str> {
        self.export().time_zone
    }

    /// Returns where the product lists the versions of a software.
    pub const fn versions(self) -> &'static str {
        self.export().versions
    }

    /// Returns the name of the preset, as `--preset` accepts it.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Formats the error for an export without the column that the preset expects for the name.
    pub fn missing(self) -> String {
        let expected: Vec<String> = self
            .export()
            .titles
            .iter()
            .map(|(field, titles)| {
                let titles: Vec<String> = titles.iter().map(|title| format!("`{title}`")).collect();
                format!("{} from {}", field.name(), titles.join(" or "))
            })
            .collect();
        format!(
            "`--preset {}`: no column gives `name`; the preset takes {} (titles as in {}). An export \
             in another language has other titles: name each, as `--column name='TITLE'`",
            self.name(),
            expected.join(", "),
            self.export().source
        )
    }

    /// Formats a remark with the columns that provide the fields.
    pub fn remark(self, header: &[String], columns: &ColumnMap) -> String {
        let used: Vec<String> = columns
            .fields
            .iter()
            .map(|(field, column)| {
                let title = header.get(*column).map_or("", String::as_str);
                format!("{} from `{}`", field.name(), printable(title))
            })
            .collect();
        format!("--preset {}: {}\n", self.name(), used.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::time_format::time_format;
    use super::*;
    use crate::values::Zone;

    #[test]
    fn the_documentation_lists_every_preset() {
        let page = include_str!("../../../docs/tasks/import-an-inventory.md");
        for preset in Preset::value_variants() {
            let start = format!("| `{}` |", preset.name());
            let row = page.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
            assert!(row.contains(preset.export().source), "{preset:?}: {row}");
            let titles = preset.export().titles.iter().flat_map(|(_, titles)| *titles);
            for title in titles {
                assert!(row.contains(&format!("`{title}`")), "{preset:?}: {title}");
            }
            let format = preset.time_format().unwrap_or("--time-format");
            assert!(row.contains(format), "{preset:?}: {format}");
        }
    }

    #[test]
    fn every_preset_names_its_source_and_one_title_of_the_name() {
        for preset in Preset::value_variants() {
            assert!(preset.export().source.starts_with("https://"), "{preset:?}");
            assert_eq!(preset.titles(Field::Name).len(), 1, "{preset:?}");
            assert!(preset.time_format().is_none_or(|format| time_format(format).is_ok()));
            assert!(preset.time_zone().is_none_or(|zone| Zone::named(zone).is_some()));
        }
    }
}
