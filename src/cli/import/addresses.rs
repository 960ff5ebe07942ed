//! Converts the addresses in a cell of an export to the form that the API accepts.

use std::borrow::Cow;

use crate::api::{addresses_accept, bounds};

/// Last word of an `ip` from which addresses are left out. It cannot be read, so the address of the
/// client counts as unknown.
const LEFT_OUT: &str = "...";

/// Separates the addresses in the converted cell.
const SEPARATOR: &str = ", ";

/// Returns the addresses in a cell, separated by commas. Leaves out the last addresses, each as a
/// whole, if the cell has more text than the API accepts; the result then ends in `...`.
///
/// Besides commas and blanks, line breaks and semicolons may separate the addresses in the cell.
pub(super) fn addresses(cell: &str) -> Cow<'_, str> {
    let is_separator = |c: char| c == ',' || c == ';' || c == ' ' || c.is_control();
    if !cell.contains(|c: char| c == ';' || c.is_control()) && is_accepted(cell) {
        return Cow::Borrowed(cell);
    }
    let words: Vec<&str> = cell.split(is_separator).filter(|word| !word.is_empty()).collect();
    let whole = words.join(SEPARATOR);
    if is_accepted(&whole) {
        return Cow::Owned(whole);
    }
    let shortened = (0..words.len()).rev().map(|kept| {
        let kept = words[..kept].iter().chain([&LEFT_OUT]).copied();
        kept.collect::<Vec<_>>().join(SEPARATOR)
    });
    let accepted = shortened.into_iter().find(|text| is_accepted(text));
    Cow::Owned(accepted.unwrap_or_else(|| LEFT_OUT.to_owned()))
}

/// Returns whether addresses are left out from the `ip` of a client.
pub(super) fn is_shortened(ip: &str) -> bool {
    ip.split([',', ' ']).next_back() == Some(LEFT_OUT)
}

fn is_accepted(text: &str) -> bool {
    // The pattern is slow for an export with 100,000 clients, and most cells are this plain.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ,.:%/-".contains(&byte);
    text.len() <= bounds::IP && text.bytes().all(is_plain) || addresses_accept(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_cut_between_addresses() {
        let six = ["fd00:20:1:2:3:4:5:6"; 6].join(", ");
        let seven = format!("{six}\n10.0.0.1");
        let five = format!("{}, ...", ["fd00:20:1:2:3:4:5:6"; 5].join(", "));
        let word = "x".repeat(129);
        for (cell, wanted) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1  10.0.0.2,", "10.0.0.1  10.0.0.2,"),
            ("10.0.0.1;fd00::1\r\n10.0.0.2\n", "10.0.0.1, fd00::1, 10.0.0.2"),
            ("no <address> & no network", "no, <address>, &, ..."),
            (&six, &six),
            (&seven, &five),
            (&word, "..."),
            ("ü", "ü"),
            (&"ü ".repeat(20), "ü, ü, ü, ü, ü, ü, ü, ü, ü, ..."),
        ] {
            let converted = addresses(cell);
            assert_eq!(converted, wanted, "{cell}");
            assert!(is_accepted(&converted), "{converted}");
            assert_eq!(is_shortened(&converted), wanted.ends_with("..."), "{cell}");
        }
    }
}
