//! Decodes and encodes one segment of a path (RFC 3986, sections 2.1 and 3.3).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Characters that are encoded: all but the unreserved ones (RFC 3986, section 2.3). A `+` is
/// encoded too, because some decoders read it as a blank.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Decodes a segment once. Returns `None` if the result is not [plain](is_plain), or if a `%` is not
/// followed by two hexadecimal digits.
pub(super) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    let is_escape = |text: &str| {
        text.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !raw.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(raw).decode_utf8().ok().filter(|text| is_plain(text))
}

/// Returns whether a decoded text is a name: not empty, `.` or `..`, and without slashes and control
/// characters.
pub(super) fn is_plain(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(|c: char| c == '/' || c.is_control())
}

/// Encodes a text as one segment.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, ENCODED).into()
}
