//! Golden scripts: what a user types, and what comes back.
//!
//! A script is blocks with a blank line between them, run in order against one database:
//!
//! ```text
//! # Why this block is here.
//! tx [[:db/add 1 :name "Ada"]]
//! q [:find ?n :where [_ :name ?n]]
//! ---
//! ["Ada"]
//! ```
//!
//! A command begins its line; a line that begins with a blank goes on with the command above it.
//! What the commands print stands after `---`. `BLESS=1` writes it anew, `SCRIPT=part` picks the
//! scripts whose path has that part. The commands are those of [`session::Session::run`].

mod ask;
mod forms;
mod guest;
mod script;
mod session;
mod show;

use std::fs;
use std::path::{Path, PathBuf};

use script::Script;
use session::Session;

/// Each script runs once for each of these numbers of threads; its answers must not depend on it.
const THREADS: [usize; 2] = [1, 8];

#[test]
fn scripts_answer_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let picked = std::env::var("SCRIPT").unwrap_or_default();
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let faults: Vec<String> = paths
        .iter()
        .filter(|path| path.to_string_lossy().contains(&picked))
        .flat_map(|path| THREADS.map(|threads| check(path, threads)))
        .flatten()
        .collect();
    assert!(
        faults.is_empty(),
        "\n{}\n(BLESS=1 rewrites the answers)",
        faults.join("\n")
    );
}

/// What differs between a script and its run; under `BLESS` the first run is written instead.
fn check(path: &Path, threads: usize) -> Option<String> {
    let text = fs::read_to_string(path).expect("a script is text");
    let script = Script::parse(&text);
    let mut session = Session::new(threads);
    let mut answered = script.clone();
    for block in &mut answered.blocks {
        block.answer = block
            .commands
            .iter()
            .flat_map(|command| session.run(command))
            .collect();
    }
    let answered = answered.to_string();
    if answered == text {
        return None;
    }
    if std::env::var_os("BLESS").is_some() && threads == THREADS[0] {
        fs::write(path, answered).expect("a script can be written");
        return None;
    }
    let lines = text
        .lines()
        .zip(answered.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let line = |text: &str| text.lines().nth(lines).unwrap_or("(end)").to_owned();
    Some(format!(
        "{}:{}, {threads} threads\n  written: {}\n  got:     {}",
        path.display(),
        lines + 1,
        line(&text),
        line(&answered)
    ))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder of scripts is there") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "golden")
        {
            found.push(path);
        }
    }
}
