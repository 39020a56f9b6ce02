//! Which module of the engine may import which.

use super::source::Source;

/// The modules, lowest first; a module imports only from lines above its own.
const RANKS: &[&[&str]] = &[
    &["error", "fault", "fork", "limits", "value", "datom"],
    &["bytes", "edn"],
    &["store"],
    &["embed", "function", "graph"],
    &["schema", "index"],
    &["segment"],
    &["db"],
    &["script"],
    &["nearest", "query"],
    &["plan"],
    &["pull", "transact"],
    &["diff", "exec", "root"],
    &["conn"],
    &["admin"],
    &["lib"],
];

/// Imports of the engine that reach up or sideways, and modules without a rank.
pub(super) fn violations(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("engine/src"))
    {
        let module = module_of(source);
        let Some(own) = rank(&module) else {
            faults.push(format!("{source}: module {module} has no rank"));
            continue;
        };
        for (i, line) in source.production().enumerate() {
            for imported in imports(line) {
                let is_lower = match rank(imported) {
                    Some(0) => true,
                    Some(rank) => rank < own || imported == module,
                    // Items of `lib.rs` itself, which re-exports the lowest modules.
                    None => imported.starts_with(char::is_uppercase),
                };
                if !is_lower {
                    faults.push(format!("{source}:{}: {module} imports {imported}", i + 1));
                }
            }
        }
    }
    faults
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|modules| modules.contains(&module))
}

/// The first folder or file below `src`.
fn module_of(source: &Source) -> String {
    let below = source
        .path
        .components()
        .skip_while(|part| part.as_os_str() != "src")
        .nth(1);
    let name = below
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .unwrap_or_default();
    name.trim_end_matches(".rs").to_owned()
}

/// The modules that follow `crate::` in a line, in a brace too.
fn imports(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split(',').map(first_name).filter(|n| !n.is_empty())),
            None => found.push(first_name(rest)),
        }
    }
    found
}

fn first_name(text: &str) -> &str {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

#[test]
fn imports_are_found() {
    assert_eq!(imports("use crate::db::{Db, View};"), ["db"]);
    assert_eq!(imports("use crate::{Error, value};"), ["Error", "value"]);
    assert_eq!(imports("fn f(x: crate::conn::Conn)"), ["conn"]);
}
