//! Decodes the bytes of an export into text. Supports the encodings that spreadsheet programs
//! write.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// First bytes of a ZIP archive. Spreadsheet files such as `.xlsx` are ZIP archives.
const ARCHIVE: &[u8] = b"PK\x03\x04";
/// Number of bytes to examine when detecting UTF-16 without a byte order mark. The header of an
/// export has roughly this size.
const SAMPLE_BYTES: usize = 256;

/// Returns the encoding with the given name, such as `windows-1252`.
///
/// # Errors
///
/// Returns a message if the encoding is unknown.
pub(super) fn encoding(name: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(name.as_bytes())
        .ok_or_else(|| "there is no such encoding: write one as utf-8 or windows-1252".to_owned())
}

/// Decodes a file with the encoding that its byte order mark indicates, or else with the encoding
/// that the user specifies. If both are missing, uses UTF-16 if the bytes look like UTF-16, and
/// UTF-8 otherwise.
///
/// # Errors
///
/// Returns a message if the bytes are not text. The message contains the line number unless the
/// file is an archive.
pub(super) fn decode(bytes: &[u8], named: Option<&'static Encoding>) -> Result<String, String> {
    if bytes.starts_with(ARCHIVE) {
        return Err("this is a spreadsheet or an archive, no text: save it as CSV".to_owned());
    }
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| {
        let recognised = || recognise(&bytes[..bytes.len().min(SAMPLE_BYTES)]).unwrap_or(UTF_8);
        (named.unwrap_or_else(recognised), 0)
    });
    let bytes = &bytes[mark..];
    let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) else {
        return Err(no_text(bytes, encoding));
    };
    match text.find('\0') {
        None => Ok(text.into_owned()),
        Some(index) => {
            Err(format!("line {}: a NUL byte: this is not a text file", line_at(&text[..index])))
        }
    }
}

fn no_text(bytes: &[u8], encoding: &'static Encoding) -> String {
    let (shown, _) = encoding.decode_without_bom_handling(bytes);
    let before = shown.find(char::REPLACEMENT_CHARACTER).map_or("", |index| &shown[..index]);
    let mend = if encoding == UTF_8 {
        "export it as UTF-8, or name its encoding, as `--encoding windows-1252`"
    } else {
        "export it anew, or name another encoding with `--encoding`"
    };
    format!("line {}: this is not {} text: {mend}", line_at(before), encoding.name())
}

/// Detects UTF-16 without a byte order mark. Export headers are mostly ASCII, so about every second
/// byte is zero in UTF-16.
fn recognise(sample: &[u8]) -> Option<&'static Encoding> {
    let zeros = |first: usize| sample.iter().skip(first).step_by(2).filter(|byte| **byte == 0);
    let (even, odd) = (zeros(0).count(), zeros(1).count());
    let enough = sample.len() / 4;
    match (even, odd) {
        (0, odd) if odd > enough => Some(UTF_16LE),
        (even, 0) if even > enough => Some(UTF_16BE),
        _ => None,
    }
}

fn line_at(before: &str) -> usize {
    1 + line_ends(before)
}

/// Returns the number of line ends in a text. A line ends with a line feed, a carriage return, or a
/// carriage return followed by a line feed.
pub(super) fn line_ends(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |(index, byte): (usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1).is_none_or(|next| *next != b'\n'),
        _ => false,
    };
    bytes.iter().enumerate().filter(|pair| ends(*pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name;Benutzer\r\nLT-1;müller\r\n佐藤;🦀\r\n";

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn spreadsheets_are_read_in_what_they_write() {
        let decoded = |bytes: &[u8]| decode(bytes, None);
        for text in [TEXT, "", "a", "ab"] {
            let marked = format!("\u{feff}{text}");
            assert_eq!(decoded(text.as_bytes()).as_deref(), Ok(text));
            assert_eq!(decoded(marked.as_bytes()).as_deref(), Ok(text));
            for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                assert_eq!(decoded(&utf_16(&marked, bytes)).as_deref(), Ok(text));
            }
        }
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(decoded(&utf_16(TEXT, bytes)).as_deref(), Ok(TEXT), "without a mark");
        }
        let western = encoding("Windows-1252").ok();
        assert_eq!(decode(b"Name\nM\xfcller\n", western).as_deref(), Ok("Name\nMüller\n"));
        assert_eq!(decode("\u{feff}ü".as_bytes(), western).as_deref(), Ok("ü"), "a mark counts");
        assert!(encoding("latin-42").is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_line() {
        let fault = |bytes: &[u8]| decode(bytes, None).expect_err("it is no text");
        assert_eq!(
            fault(b"Name\nLT-1\nM\xfcller\n"),
            "line 3: this is not UTF-8 text: export it as UTF-8, or name its encoding, as \
             `--encoding windows-1252`"
        );
        let mut cut = utf_16("\u{feff}Name\r\nLT-1", u16::to_le_bytes);
        cut.push(b'x');
        assert!(fault(&cut).starts_with("line 2: this is not UTF-16LE text"), "{}", fault(&cut));
        assert!(fault(b"PK\x03\x04\n\0").contains("save it as CSV"));
        assert_eq!(fault(b"Name\n\0"), "line 2: a NUL byte: this is not a text file");
    }
}
