//! Finds and reads the files that `-f` names, and splits them into documents. Does not interpret
//! Kubernetes objects.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::documents::Document;
use super::{json, yaml};

const STANDARD_INPUT: &str = "-";
/// Extensions of the files to read from a folder, as in kubectl.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];
/// Maximum size of a file, in bytes: enough for about 400,000 clients with their status. Without a
/// limit, reading a device file might never end.
const MAX_BYTES: u64 = 512 << 20;

/// A file, with its content or the reason why it cannot be read.
pub struct File {
    /// Name of the file, as shown to the user.
    pub name: String,
    /// Bytes of the file, or an error message.
    pub content: Result<Vec<u8>, String>,
}

/// Reads the files, folders (without their subfolders) and standard input that `-f` names. Each
/// file is read when the iterator reaches it.
pub fn read(paths: &[PathBuf]) -> impl Iterator<Item = File> + use<> {
    let mut sources = Vec::new();
    let mut has_input = false;
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            sources.push(Source::Input { again: std::mem::replace(&mut has_input, true) });
        } else if path.is_dir() {
            match folder(path) {
                Ok(paths) => sources.extend(paths.into_iter().map(Source::File)),
                Err(message) => sources.push(Source::Folder(path.clone(), message)),
            }
        } else {
            sources.push(Source::File(path.clone()));
        }
    }
    sources.into_iter().map(Source::read)
}

/// A file to read, a folder that cannot be read, or standard input.
enum Source {
    File(PathBuf),
    Folder(PathBuf, String),
    Input { again: bool },
}

impl Source {
    fn read(self) -> File {
        match self {
            Self::File(path) => {
                let content = fs::File::open(&path).and_then(limited);
                File { name: shown(&path), content: content.map_err(|error| unreadable(&error)) }
            }
            Self::Folder(path, message) => File { name: shown(&path), content: Err(message) },
            Self::Input { again } => {
                let content = if again {
                    Err("it is named twice: leave one `-f -` out".to_owned())
                } else {
                    limited(io::stdin()).map_err(|error| unreadable(&error))
                };
                File { name: "standard input".to_owned(), content }
            }
        }
    }
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<PathBuf> = entries
        .map_err(|error| unreadable(&error))?
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| has_ending(path) && !path.is_dir())
        .collect();
    if paths.is_empty() {
        return Err(
            "this folder holds no *.yaml, *.yml or *.json file; its subfolders are not read: \
                    name them with `-f` of their own"
                .to_owned(),
        );
    }
    paths.sort();
    Ok(paths)
}

fn has_ending(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.contains(&ending))
}

fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let limit = MAX_BYTES >> 20;
        return Err(io::Error::other(format!("it is larger than {limit} MiB: split it")));
    }
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> String {
    // Omit the operating system's error number, because most users understand only the error text.
    let message = error.to_string();
    let words = message.split(" (os error").next().unwrap_or(&message);
    format!("this cannot be read: {words}")
}

/// Formats a path for output. Escapes control characters, because a terminal would interpret them.
fn shown(path: &Path) -> String {
    super::terminal::table::printable(&path.display().to_string()).into_owned()
}

/// Splits the content of a file into documents. Does not panic for any input.
///
/// # Errors
///
/// Returns an error message if the bytes are not UTF-8 text.
pub fn documents(bytes: Vec<u8>) -> Result<Vec<Document>, String> {
    let text = Arc::new(text(bytes)?);
    // Like kubectl, parse text that starts with a brace or bracket as JSON first. If that fails,
    // parse it as YAML, which also allows braces.
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(yaml::read(&text));
    }
    let of_json = json::read(&text);
    if of_json.iter().all(is_read) {
        return Ok(of_json);
    }
    let of_yaml = yaml::read(&text);
    Ok(if of_yaml.iter().all(is_read) { of_yaml } else { of_json })
}

fn is_read(document: &Document) -> bool {
    document.content.is_ok()
}

fn text(mut bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("this is UTF-16 text: save it as UTF-8".to_owned());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let (line, column) = place_after(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        format!("line {line}, column {column}: this is not UTF-8 text: save it as UTF-8")
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(index) => {
            let (line, column) = place_after(&text.as_bytes()[..index]);
            Err(format!("line {line}, column {column}: a NUL byte: this is not a text file"))
        }
    }
}

/// Returns the line and the column that follow `bytes`, both counted from 1.
fn place_after(bytes: &[u8]) -> (usize, usize) {
    let line_start = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let line = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&bytes[line_start..]).chars().count();
    (line, column)
}
