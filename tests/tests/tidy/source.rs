//! The files of the repository as the rules see them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::code::blanked;

/// One file, with its path from the root of the repository.
pub(super) struct Source {
    pub(super) path: PathBuf,
    text: String,
    /// The text with blanks for comments and literals.
    code: String,
    /// How many lines stand before the tests at the bottom.
    production: usize,
}

impl Source {
    /// Line numbers, from 1, and lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The same without comments and literals.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The lines of code before the tests at the bottom.
    pub(super) fn production(&self) -> impl Iterator<Item = &str> {
        self.code.lines().take(self.production)
    }

    /// Whether a line, from 1, stands before the tests at the bottom.
    pub(super) fn is_production(&self, line: usize) -> bool {
        line <= self.production
    }

    /// The lines of tests, as written: those at the bottom of a library's file, or the whole file.
    pub(super) fn tests(&self) -> impl Iterator<Item = &str> {
        let skipped = if self.is_of_library() {
            self.production
        } else {
            0
        };
        self.text.lines().skip(skipped)
    }

    /// Whether it is part of a crate's `src`; benches, examples and tests are not.
    pub(super) fn is_of_library(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "src")
            && !self.path.starts_with("tests")
    }

    pub(super) fn is_one_of(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.path == Path::new(path))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The root of the repository.
pub(super) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate stands in the repository")
}

/// Every Rust file.
pub(super) fn sources() -> Vec<Source> {
    collect("rs")
}

/// Every golden script.
pub(super) fn scripts() -> Vec<Source> {
    collect("golden")
}

fn collect(extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    walk(repository(), extension, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no .{extension} files");
    found
}

fn walk(folder: &Path, extension: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            walk(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            let text = fs::read_to_string(&path).expect("sources are text");
            let code = if extension == "rs" {
                blanked(&text)
            } else {
                text.clone()
            };
            let path = path
                .strip_prefix(repository())
                .expect("walked from there")
                .to_path_buf();
            let is_code = |line: &&str| !line.starts_with("#[cfg(test)]");
            // A folder may keep the tests of its door, or of a file, in a file of their own.
            let is_tests = name == "tests.rs" || name.ends_with("_tests.rs");
            let lines = if is_tests { "" } else { &code };
            let production = lines.lines().take_while(is_code).count();
            found.push(Source {
                path,
                text,
                code,
                production,
            });
        }
    }
}
