//! Removes the characters with which exporters keep spreadsheet programs from interpreting a cell,
//! and detects formulas.

/// Returns the content of a cell without surrounding blanks, byte order marks and guards. `="00123"` keeps leading
/// zeros, and an apostrophe keeps `=1+1`, or a number, from being calculated.
pub(super) fn content(cell: &str) -> &str {
    let cell = trimmed(cell);
    let quoted = cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    if let Some(text) = quoted.filter(|text| !text.contains('"')) {
        return trimmed(text);
    }
    let is_guarded = |rest: &&str| {
        let is_number = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        is_number || (rest.len() > 1 && rest.starts_with(['=', '+', '-', '@']))
    };
    cell.strip_prefix('\'').filter(is_guarded).unwrap_or(cell)
}

fn trimmed(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Returns whether a cell contains a formula that begins with a text or calls a function, such as
/// `=HYPERLINK("…")`.
pub(super) fn is_formula(cell: &str) -> bool {
    if cell.starts_with("=\"") {
        return true;
    }
    let Some((function, _)) = cell.strip_prefix('=').and_then(|rest| rest.split_once('(')) else {
        return false;
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    function.starts_with(|c: char| c.is_ascii_alphabetic()) && function.chars().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_removed_and_nothing_else() {
        for (cell, wanted) in [
            (" =\"00123\" ", "00123"),
            ("=\"\"", ""),
            (" \u{feff} a\u{feff}b", "a\u{feff}b"),
            ("'00123", "00123"),
            ("'=1+1", "=1+1"),
            ("'-x", "-x"),
            ("'@x", "@x"),
            ("'", "'"),
            ("'s-Hertogenbosch", "'s-Hertogenbosch"),
            ("'a'", "'a'"),
            ("=", "="),
            ("=\"a\"&\"b\"", "=\"a\"&\"b\""),
            ("=\"a", "=\"a"),
        ] {
            assert_eq!(content(cell), wanted, "{cell}");
        }
    }

    #[test]
    fn formulas_are_detected() {
        for cell in ["=HYPERLINK(\"x\",\"PC1\")", "=\"a\"&B1", "=SUM(A1:A3)"] {
            assert!(is_formula(cell), "{cell}");
        }
        for cell in ["=", "=== error (1603) ===", "a=b(c)", "=1+1", "= SUM(A1)"] {
            assert!(!is_formula(cell), "{cell}");
        }
    }
}
