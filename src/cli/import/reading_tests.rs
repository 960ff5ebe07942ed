//! Tests that any bytes can be read as an export. The tests are in this folder because the tested
//! code is private to the `import` module; `tests/import` runs the program.

#[cfg(test)]
mod laws {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::super::layout::HeaderSearch;
    use super::super::rows::Reading;
    use super::super::{columns, csv_table, rows, text};

    const PIECES: [&str; 27] = [
        "name",
        "Version",
        "Device ID",
        ",",
        ",",
        ";",
        "\t",
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\"",
        "\"\"",
        "\u{feff}",
        "ï»¿",
        "sep=;",
        "#TYPE x",
        "=\"1\"",
        "'1",
        "=A(1)",
        "Total",
        "é",
        "佐",
        " ",
        "D1",
        "D2",
    ];

    /// Reads an export as the program does. Returns the names of the clients.
    fn read(bytes: &[u8], header_line: Option<usize>, footer: Option<usize>) -> Vec<String> {
        let recognised = |titles: &[String]| columns::recognised_fields(titles, &[], None);
        let search = HeaderSearch { separator: None, header_line, recognised: &recognised };
        let Ok(text) = text::decode(bytes, None) else { return Vec::new() };
        let Ok(table) = csv_table::read(&text, &search, footer) else { return Vec::new() };
        let Ok(columns) = columns::find(&table.header, &[], &[], None) else { return Vec::new() };
        if table.check_names(&columns).is_err() {
            return Vec::new();
        }
        let reading = Reading { fill_short_rows: true, ..Reading::default() };
        let inventory = rows::read(&table, &columns, &reading);
        inventory.clients.keys().map(ToString::to_string).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(1),
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_bytes_can_be_read(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            line in proptest::option::of(0_usize..6),
            footer in proptest::option::of(0_usize..4),
        ) {
            read(&bytes, line, footer);
        }

        #[test]
        fn no_header_mark_or_guard_gets_into_a_name(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES.as_slice()), 0..60),
            footer in proptest::option::of(0_usize..4),
        ) {
            let export = format!("name,Version\n{}", pieces.concat());
            for name in read(export.as_bytes(), None, footer) {
                prop_assert!(name != "name" && !name.starts_with('\u{feff}'), "{name:?}: {export:?}");
                prop_assert!(!name.starts_with("#TYPE ") && !name.starts_with("=\""), "{name:?}: {export:?}");
            }
        }
    }
}
