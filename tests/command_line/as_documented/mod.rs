//! Tests the pages in `docs/tasks`: writes the files of each page, runs its commands against a real
//! API server, and compares the output with the page.
//!
//! The real controller reconciles the examples, with a clock that is set to the time on the page.
//! With `UPDATE_DOCS=1`, the test writes the actual output into the page for review.

mod demo;
mod page;
mod reader;

use std::fs;
use std::path::{Path, PathBuf};

use page::{Step, rewritten, steps};
use reader::Reader;

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tasks");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "md")).collect();
    pages.sort();
    pages
}

#[test]
fn every_page_does_what_it_shows() {
    let mut reader = Reader::sit_down();
    let mut wrong = Vec::new();
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        reader.turn_the_page();
        let mut printed = Vec::new();
        for step in steps(&page) {
            match step {
                Step::At(at) => reader.wait_until(&at),
                Step::File { name, text } => reader.write(&name, &text),
                Step::Console(calls) => {
                    printed.push(calls.into_iter().map(|call| reader.run(call)).collect());
                }
            }
        }
        let truth = rewritten(&page, &printed);
        if truth == page {
            continue;
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, truth).unwrap();
        } else {
            wrong.push(format!("{}:\n{truth}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "pages that show something else:\n{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_index() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(project.join("docs/README.md")).unwrap();
    for page in pages() {
        let name = format!("tasks/{}", page.file_name().unwrap().to_string_lossy());
        assert!(index.contains(&name), "{name} is missing in docs/README.md");
    }
}
