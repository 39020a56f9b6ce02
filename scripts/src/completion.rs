//! What may stand at a place of a script: functions, variables, attributes.

use datalith_engine::Value;

use crate::database::{ScriptConn, ScriptDb};
use crate::host::Host;
use crate::reference::{ENTRIES, Entry, Group, named};
use crate::table::{Column, Table};

/// Words of rhai.
const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "while", "loop", "for", "in", "fn", "return", "break",
    "continue", "try", "catch", "throw", "import", "true", "false", "this", "private", "do",
    "until",
];

/// Words of queries.
const QUERY_WORDS: &[&str] = &[
    ":find",
    ":where",
    ":in",
    ":with",
    ":keys",
    ":limit",
    ":offset",
    ":order-by",
    ":timeout",
];

/// What may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// Byte from which on the text is replaced.
    pub start: usize,
    /// What may stand there, in order.
    pub items: Vec<Candidate>,
}

/// One thing that may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What takes the place of the text.
    pub text: String,
    /// What it is, on a line.
    pub note: String,
}

/// What may stand at a byte of a text.
pub fn complete(host: &Host, text: &str, at: usize) -> Candidates {
    let before = text.get(..at).unwrap_or(text);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '?' | '!');
    let long = before.trim_end_matches(is_name);
    if long.ends_with(':') && !long.ends_with("::") {
        return attributes(host, before, long.len() - 1);
    }
    let start = before
        .trim_end_matches(|c: char| c.is_alphanumeric() || c == '_')
        .len();
    let (word, left) = (&before[start..], &before[..start]);
    let items = match left.strip_suffix('.') {
        Some(receiver) => members(host, receiver, word),
        None if word.is_empty() => Vec::new(),
        None => free(host, word),
    };
    Candidates { start, items }
}

/// What is known of the name at a byte of a text, as lines.
pub fn inspect(host: &Host, text: &str, at: usize) -> Option<String> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '/' | '-' | '?' | '!');
    let at = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .rfind(|&byte| byte <= at)?;
    let start = text[..at].rfind(|c| !is_name(c)).map_or(0, |at| {
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let end = text[at..]
        .find(|c| !is_name(c))
        .map_or(text.len(), |end| at + end);
    let word = &text[start..end];
    if let Some(attribute) = word.strip_prefix(':') {
        let (name, entry) = host
            .attributes()
            .into_iter()
            .find(|(name, _)| name.trim_start_matches(':') == attribute)?;
        return Some(format!("{name}\n{}", described(&entry)));
    }
    let lines: Vec<String> = named(word)
        .map(|entry| format!("{}\n    {}", entry.form, entry.doc))
        .collect();
    if !lines.is_empty() {
        return Some(lines.join("\n"));
    }
    let value = host.variable(word)?;
    Some(format!("{word}: {}", crate::shown::type_of(&value)))
}

/// A database value at a moment as people write it: a transaction or an instant.
pub fn moment(db: &datalith_engine::Db, point: &str) -> Result<datalith_engine::Db, String> {
    let given = match point.parse::<i64>() {
        Ok(t) => rhai::Dynamic::from(t),
        Err(_) => rhai::Dynamic::from(point.to_owned()),
    };
    let said = |error: Box<rhai::EvalAltResult>| crate::Fault::of_run(*error).message;
    let point = crate::database::time_point(&given).map_err(said)?;
    db.as_of(point).map_err(|error| error.message().to_owned())
}

fn attributes(host: &Host, before: &str, start: usize) -> Candidates {
    let word = &before[start..];
    let known = host.attributes();
    let attributes = known.iter().map(|(name, entry)| Candidate {
        text: if name.starts_with(':') {
            name.clone()
        } else {
            format!(":{name}")
        },
        note: described(entry),
    });
    let words = QUERY_WORDS.iter().map(|&word| Candidate {
        text: word.to_owned(),
        note: String::new(),
    });
    let items = words
        .chain(attributes)
        .filter(|candidate| candidate.text.starts_with(word))
        .collect();
    Candidates { start, items }
}

/// An attribute in a few words.
fn described(entry: &Value) -> String {
    let name = |key: &str| {
        entry
            .get(key)
            .and_then(Value::as_keyword)
            .map(|keyword| keyword.name().to_owned())
    };
    let words = [
        name("db/valueType"),
        name("db/cardinality").filter(|one| one == "many"),
        name("db/unique"),
    ];
    let doc = entry
        .get("db/doc")
        .and_then(Value::as_str)
        .map(str::to_owned);
    words
        .into_iter()
        .chain([doc])
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// The functions of what stands before the dot, where that is known; else of everything.
fn members(host: &Host, receiver: &str, word: &str) -> Vec<Candidate> {
    let start = receiver
        .trim_end_matches(|c: char| c.is_alphanumeric() || c == '_')
        .len();
    let value = host.variable(&receiver[start..]);
    let group = value.as_ref().and_then(|value| {
        if value.is::<ScriptConn>() {
            Some(Group::Conn)
        } else if value.is::<ScriptDb>() {
            Some(Group::Db)
        } else if value.is::<Table>() {
            Some(Group::Table)
        } else if value.is::<Column>() {
            Some(Group::Column)
        } else {
            None
        }
    });
    let group = group.or_else(|| guessed(receiver));
    let belongs = |entry: &&Entry| match group {
        Some(group) => entry.group == group,
        None => entry.group != Group::Free,
    };
    let entries = ENTRIES
        .iter()
        .filter(belongs)
        .filter(|entry| entry.name.starts_with(word));
    let mut items: Vec<Candidate> = entries.map(candidate).collect();
    if let Some(table) = value.as_ref().and_then(|value| value.read_lock::<Table>()) {
        let columns = table.names().iter().filter(|name| name.starts_with(word));
        items.extend(columns.map(|name| Candidate {
            text: name.clone(),
            note: "column".to_owned(),
        }));
    }
    items.sort_by(|a, b| a.text.cmp(&b.text));
    items.dedup_by(|a, b| a.text == b.text);
    items
}

/// What a call gives, by the name of its function.
fn guessed(receiver: &str) -> Option<Group> {
    let call = receiver.strip_suffix("()")?;
    match &call[call
        .trim_end_matches(|c: char| c.is_alphanumeric() || c == '_')
        .len()..]
    {
        "db" | "history" => Some(Group::Db),
        "schema" | "stats" | "log" | "describe" | "distinct" => Some(Group::Table),
        _ => None,
    }
}

fn free(host: &Host, word: &str) -> Vec<Candidate> {
    let entries = ENTRIES
        .iter()
        .filter(|entry| entry.group == Group::Free)
        .map(candidate);
    let variables = host.variables().into_iter().map(|name| {
        let note = host
            .variable(&name)
            .map(|value| crate::shown::type_of(&value))
            .unwrap_or_default();
        Candidate { text: name, note }
    });
    let functions = host.functions().into_iter().map(|form| Candidate {
        text: form.split('(').next().unwrap_or_default().to_owned(),
        note: form,
    });
    let keywords = KEYWORDS.iter().map(|&word| Candidate {
        text: word.to_owned(),
        note: String::new(),
    });
    let all = variables.chain(functions).chain(entries).chain(keywords);
    let mut items: Vec<Candidate> = all
        .filter(|candidate| candidate.text.starts_with(word))
        .collect();
    items.sort_by(|a, b| a.text.cmp(&b.text));
    items.dedup_by(|a, b| a.text == b.text);
    items
}

fn candidate(entry: &Entry) -> Candidate {
    Candidate {
        text: entry.name.to_owned(),
        note: format!("{}  {}", entry.form, entry.doc),
    }
}
