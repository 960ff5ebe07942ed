//! Searches comments for banned terms. CONTRIBUTING contains the rules for comments.

use crate::source::Source;

/// Terms that comments must not contain. Comments use the terms of Kubernetes and Rust instead,
/// such as "print", "log", "return", "record", "again", "for 15 s" or "the user".
const BANNED: [&str; 11] = [
    "tell", "tells", "told", "anew", "no more", "so long", "so many", "somebody", "nobody",
    "a person", "whoever",
];

/// Derive macros that mark an item as printed: the program prints the item's doc comments in
/// `--help` texts or in the descriptions of CRDs.
const PRINTED: [&str; 5] = ["Args", "Parser", "Subcommand", "ValueEnum", "JsonSchema"];

/// Returns the banned terms in the comments of a file, each as `path:line: term`.
pub fn banned_words(source: &Source) -> Vec<String> {
    let printed = printed_lines(&source.text);
    let mut found = Vec::new();
    let mut comment = Comment::default();
    for (number, line) in source.text.lines().enumerate() {
        match comment_of(line).filter(|_| !printed.contains(&number)) {
            Some(text) => comment.add(text, number + 1),
            None => found.extend(std::mem::take(&mut comment).banned()),
        }
    }
    found.extend(comment.banned());
    found.into_iter().map(|(line, word)| format!("{}:{line}: {word}", source.path)).collect()
}

/// Text of one comment, split into terms with their line numbers. All lines of a comment are
/// joined, because a banned phrase can start on one line and end on the next.
#[derive(Default)]
struct Comment {
    words: Vec<(String, usize)>,
}

impl Comment {
    fn add(&mut self, text: &str, line: usize) {
        // Skip the code in a comment, because it is not prose.
        for (index, prose) in text.split('`').enumerate() {
            let words = prose.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-');
            let words = words.filter(|word| !word.is_empty() && index % 2 == 0);
            self.words.extend(words.map(|word| (word.to_lowercase(), line)));
        }
    }

    fn banned(self) -> Vec<(usize, &'static str)> {
        let mut found = Vec::new();
        for banned in BANNED {
            let parts: Vec<&str> = banned.split(' ').collect();
            for window in self.words.windows(parts.len()) {
                if window.iter().map(|(word, _)| word.as_str()).eq(parts.iter().copied()) {
                    found.push((window[0].1, banned));
                }
            }
        }
        found
    }
}

fn comment_of(line: &str) -> Option<&str> {
    let trimmed = line.trim_start();
    if let Some(text) = trimmed.strip_prefix("//") {
        return Some(text);
    }
    let (code, text) = line.split_once(" // ")?;
    (code.matches('"').count() % 2 == 0).then_some(text)
}

/// Returns the line numbers, counted from 0, of all items that derive a macro in [`PRINTED`].
/// Includes the lines of their doc comments.
fn printed_lines(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut printed = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        if !line.trim_start().starts_with("#[derive(") {
            continue;
        }
        let rest = &lines[start..];
        let length = rest.iter().position(|line| line.contains(")]")).unwrap_or(0) + 1;
        let derive = rest[..length].concat();
        let mut derived = derive.split(|c: char| !c.is_alphanumeric());
        if !derived.any(|word| PRINTED.contains(&word)) {
            continue;
        }
        let above = lines[..start].iter().rev();
        let above = above.take_while(|line| line.trim_start().starts_with(['/', '#'])).count();
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_end = |line: &&str| {
            let is_item = line.contains("struct ") && line.ends_with(';');
            is_item || line.strip_prefix(indent) == Some("}")
        };
        let end = rest.iter().position(is_end).unwrap_or(0);
        printed.extend(start - above..=start + end);
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        banned_words(&Source { path: "x.rs".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn banned_words_are_found_in_every_comment() {
        assert_eq!(found("//! Nobody reads this.\n"), ["x.rs:1: nobody"]);
        assert_eq!(found("let a = 1; // told\nlet b = \"// told\";\n"), ["x.rs:1: told"]);
        assert_eq!(found("/// It is read no\n/// more.\nfn f() {}\n"), ["x.rs:1: no more"]);
        assert_eq!(found("/// It reads `told`, no\nfn f() {}\n/// more.\n"), [""; 0]);
    }

    #[test]
    fn what_a_program_prints_is_not_a_comment() {
        let text = "/// Somebody.\n#[derive(Clone, Args)]\nstruct A {\n    /// Of nobody;\n    \
                    /// nobody.\n    a: u8,\n}\n\n\
                    /// Told.\n#[derive(Clone)]\nstruct B;\n";
        assert_eq!(found(text), ["x.rs:9: told"]);
    }
}
