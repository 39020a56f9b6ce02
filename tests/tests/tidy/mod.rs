//! The rules of style that a compiler does not know.
//!
//! Each test names every place that breaks its rule, so one run is enough to mend them all.

mod code;
mod ranks;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use source::{Source, repository, sources};

/// Most lines of a file before its tests.
const FILE_LINES: usize = 600;
/// Most folders below `src`.
const FOLDERS: usize = 2;
/// Fewest files of a folder.
const FOLDER_FILES: usize = 3;
/// Words that say nothing about what a name names.
const BANNED_WORDS: &[&str] = &[
    "util",
    "common",
    "helper",
    "manager",
    "handler",
    "processor",
    "misc",
    "info",
    "impl2",
];
/// Beginnings of names that say nothing.
const BANNED_STARTS: &[&str] = &["do_", "new_"];
/// The only files with `unsafe` code.
const UNSAFE_FILES: &[&str] = &["vector/src/simd.rs", "engine/src/store/mmap.rs"];
/// Words that begin an item, before its name.
const ITEMS: &[&str] = &[
    "fn", "struct", "enum", "trait", "mod", "type", "const", "static", "union",
];

/// Fails with every fault, one a line.
fn report(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn files_are_short() {
    report(sources().iter().filter_map(|source| {
        let lines = source.production().count();
        (lines > FILE_LINES)
            .then(|| format!("{source}: {lines} lines before its tests, at most {FILE_LINES}"))
    }));
}

#[test]
fn folders_are_few_and_full() {
    let sources = sources();
    let mut files: BTreeMap<&Path, usize> = BTreeMap::new();
    for source in &sources {
        if let (Some(folder), true) = (source.path.parent(), source.is_of_library()) {
            *files.entry(folder).or_default() += 1;
        }
    }
    report(files.into_iter().filter_map(|(folder, files)| {
        let depth = folder
            .components()
            .skip_while(|part| part.as_os_str() != "src")
            .count()
            - 1;
        if depth > FOLDERS {
            return Some(format!(
                "{}: {depth} folders below src, at most {FOLDERS}",
                folder.display()
            ));
        }
        // A crate's own `src` may be a single file.
        (depth > 0 && files < FOLDER_FILES).then(|| {
            format!(
                "{}: {files} files, a folder needs {FOLDER_FILES}",
                folder.display()
            )
        })
    }));
}

#[test]
fn names_say_something() {
    let mut faults = Vec::new();
    for source in &sources() {
        let stem = source
            .path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        faults.extend(
            stem.filter(|stem| is_banned(stem))
                .map(|stem| format!("{source}: {stem}")),
        );
        for (number, line) in source.code_lines() {
            let words: Vec<&str> = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|w| !w.is_empty())
                .collect();
            let named = words.windows(2).filter(|pair| ITEMS.contains(&pair[0]));
            let banned = named.map(|pair| pair[1]).filter(|name| is_banned(name));
            faults.extend(banned.map(|name| format!("{source}:{number}: {name}")));
        }
    }
    report(faults);
}

/// Whether a name in snake or camel case has a word that says nothing.
fn is_banned(name: &str) -> bool {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    let plain = |word: &str| {
        BANNED_WORDS
            .iter()
            .any(|banned| word == *banned || *word == format!("{banned}s"))
    };
    snake.split('_').any(plain) || BANNED_STARTS.iter().any(|start| snake.starts_with(start))
}

#[test]
fn nothing_is_unwrapped_or_allowed() {
    let mut faults = Vec::new();
    for source in &sources() {
        for (number, line) in source.code_lines() {
            let is_library = source.is_of_library() && source.is_production(number);
            let unwrapped = is_library && line.contains(".unwrap()");
            if unwrapped || line.contains("#[allow") || line.contains("#![allow") {
                faults.push(format!("{source}:{number}: {}", line.trim()));
            }
        }
    }
    report(faults);
}

#[test]
fn comments_promise_nothing() {
    let mut faults = Vec::new();
    for source in &sources() {
        for (number, line) in source.lines() {
            let comment = line.find("//").map_or("", |at| &line[at..]);
            let todo = comment.find("TODO").map(|at| &comment[at + "TODO".len()..]);
            let open =
                todo.is_some_and(|rest| !rest.trim_start_matches(['(', ' ']).starts_with('#'));
            if open || comment.contains("FIXME") {
                faults.push(format!("{source}:{number}: {}", line.trim()));
            }
        }
    }
    let own = |fault: &String| !fault.starts_with("tests/tests/tidy/");
    report(faults.into_iter().filter(own));
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut faults = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !source.is_one_of(UNSAFE_FILES))
    {
        for (number, line) in source.code_lines() {
            if code::has_word(line, "unsafe") {
                faults.push(format!("{source}:{number}: {}", line.trim()));
            }
        }
    }
    report(faults);
}

#[test]
fn only_the_store_touches_files() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| {
        source.is_of_library()
            && (source.path.starts_with("vector") || source.path.starts_with("engine"))
            && !source.path.starts_with("engine/src/store")
            // A model of texts is a directory of its own, outside of any store.
            && !source.path.starts_with("vector/src/embed")
    }) {
        for (number, line) in source
            .code_lines()
            .take_while(|(n, _)| source.is_production(*n))
        {
            let touches = ["std::fs", "File::", "OpenOptions", "memmap"];
            if touches.iter().any(|name| line.contains(name)) {
                faults.push(format!("{source}:{number}: {}", line.trim()));
            }
        }
    }
    report(faults);
}

#[test]
fn tests_neither_sleep_nor_rest() {
    let mut faults = Vec::new();
    for source in &sources() {
        for (number, line) in source.code_lines() {
            let is_test = !source.is_of_library() || !source.is_production(number);
            if is_test && (line.contains("#[ignore") || line.contains("thread::sleep")) {
                faults.push(format!("{source}:{number}: {}", line.trim()));
            }
        }
    }
    report(faults);
}

#[test]
fn every_crate_has_the_lints() {
    let root = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    for lint in [
        "unsafe_code",
        "missing_docs",
        "unwrap_used",
        "too_many_lines",
        "print_stdout",
        "exit",
    ] {
        assert!(root.contains(lint), "the workspace does not set {lint}");
    }
    let folders = std::fs::read_dir(repository())
        .unwrap()
        .map(|entry| entry.expect("a folder can be listed").path());
    report(folders.filter_map(|folder| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        let has = manifest.contains("[lints]\nworkspace = true");
        (!has).then(|| format!("{}: no [lints] workspace = true", folder.display()))
    }));
}

#[test]
fn modules_import_lower_ranks() {
    report(ranks::violations(&sources()));
}

#[test]
fn every_error_is_provoked() {
    let provoked = |code: datalith_engine::Code, source: &Source| {
        source.tests().any(|line| {
            let keyword = code.keyword().or(code.type_keyword()).unwrap_or_default();
            line.contains(&format!("Code::{code:?}")) || code::has_word(line, keyword)
        })
    };
    let mut sources = sources();
    sources.extend(source::scripts());
    report(
        datalith_engine::Code::ALL
            .iter()
            .copied()
            .filter_map(|code| {
                let found = sources.iter().any(|source| provoked(code, source));
                (!found).then(|| format!("Code::{code:?}: no test and no script provokes it"))
            }),
    );
}

#[test]
fn the_comparison_with_datahike_names_scripts_that_are_there() {
    let text = std::fs::read_to_string(repository().join("docs/datahike.md")).unwrap();
    let named = text.lines().filter_map(|line| line.split(" | ").nth(3));
    let scripts = named.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let scripts: Vec<&str> = scripts.collect();
    assert!(scripts.len() > 200, "the table has lost its scripts");
    report(scripts.into_iter().filter_map(|script| {
        let path = Path::new("tests/golden").join(format!("{script}.golden"));
        (!repository().join(&path).is_file()).then(|| format!("{}: not there", path.display()))
    }));
}
