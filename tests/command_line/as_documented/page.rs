//! Parses a page of the documentation into steps: files to write, times to set the clock to, and
//! commands with their output. This module does not run the commands.

/// A step that the reader of a documentation page performs.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A file to write. The Markdown source is a fenced block of YAML or CSV, with the file name
    /// after the language.
    File { name: String, text: String },
    /// A time to set the clock to. The Markdown source is a comment `<!-- at … -->`.
    At(String),
    /// Commands to run. The Markdown source is a fenced block with the language `console`.
    Console(Vec<Call>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub command: String,
    pub output: String,
}

const FENCE: &str = "```";

pub fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let at = line.strip_prefix("<!-- at ").and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(at) = at {
            steps.push(Step::At(at.to_owned()));
        }
        let Some(info) = line.strip_prefix(FENCE) else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != FENCE).collect();
        if info == "console" {
            steps.push(Step::Console(calls(&block)));
        } else if let Some((_, name)) = info.split_once(' ') {
            steps.push(Step::File { name: name.to_owned(), text: block.join("\n") + "\n" });
        }
    }
    steps
}

fn calls(block: &[&str]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in block {
        if let Some(command) = line.strip_prefix("$ ") {
            calls.push(Call { command: command.to_owned(), output: String::new() });
        } else {
            let call = calls.last_mut().expect("a console block begins with `$ `");
            if call.output.is_empty() && call.command.ends_with('\\') {
                call.command.push('\n');
                call.command.push_str(line);
            } else {
                call.output.push_str(line);
                call.output.push('\n');
            }
        }
    }
    calls
}

/// Replaces the documented output of each command on a page with the actual output in `printed`.
pub fn rewritten(page: &str, printed: &[Vec<Call>]) -> String {
    let mut text = String::new();
    let mut printed = printed.iter();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        text.push_str(line);
        text.push('\n');
        if line != "```console" {
            continue;
        }
        for call in printed.next().expect("each block was run") {
            text.push_str(&format!("$ {}\n{}", call.command, call.output));
        }
        text.push_str("```\n");
        for _ in lines.by_ref().take_while(|line| *line != FENCE) {}
    }
    text
}

#[test]
fn a_page_is_read_and_written() {
    let page = "# A\n<!-- at 2026-11-24T12:00:00Z -->\n```yaml a.yaml\nx: 1\n```\nText\n\
                ```console\n$ one \\\n    more\nsaid\n$ two\n```\nEnd\n";
    let call = |command: &str, output: &str| Call {
        command: command.to_owned(),
        output: output.to_owned(),
    };
    let calls = vec![call("one \\\n    more", "said\n"), call("two", "")];
    let expected = [
        Step::At("2026-11-24T12:00:00Z".to_owned()),
        Step::File { name: "a.yaml".to_owned(), text: "x: 1\n".to_owned() },
        Step::Console(calls.clone()),
    ];
    assert_eq!(steps(page), expected);
    assert_eq!(rewritten(page, &[calls]), page);
}
