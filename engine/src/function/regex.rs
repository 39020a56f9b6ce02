//! Regular expressions: Java's meaning of the shorthand classes, Rust's engine, hence no
//! look-around and no back-references, and never more than linear time.

use std::cell::RefCell;
use std::sync::Arc;

use regex::{Captures, Regex, RegexBuilder};

use super::failure::{Cause, not_a};
use super::seq::Items;
use crate::error::Result;
use crate::limits;
use crate::value::Value;

/// How many compiled patterns a thread keeps.
const KEPT_PATTERNS: usize = 16;

thread_local! {
    static KEPT: RefCell<Vec<(String, Arc<Regex>)>> = const { RefCell::new(Vec::new()) };
}

/// The compiled pattern; the last few of a thread are kept.
fn compile(pattern: &str) -> Result<Arc<Regex>> {
    let held = KEPT.with_borrow(|kept| {
        kept.iter()
            .find(|(text, _)| text == pattern)
            .map(|(_, regex)| Arc::clone(regex))
    });
    if let Some(regex) = held {
        return Ok(regex);
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(limits::REGEX_BYTES)
        .dfa_size_limit(limits::REGEX_BYTES)
        .build()
        .map_err(|cause| {
            Cause::Pattern
                .error(format!("cannot use the pattern {pattern:?}: {cause}"))
                .with("pattern", pattern)
        })?;
    let regex = Arc::new(regex);
    KEPT.with_borrow_mut(|kept| {
        if kept.len() == KEPT_PATTERNS {
            kept.remove(0);
        }
        kept.push((pattern.to_owned(), Arc::clone(&regex)));
    });
    Ok(regex)
}

/// The pattern of a [`Value::Regex`], or of text, ready for `text`.
///
/// Java's `\d \w \s \b` are of ASCII alone; the engine's know all of Unicode. Where the text is
/// ASCII both agree, else the pattern is compiled with Java's classes spelt out.
pub(super) fn matcher(pattern: &Value, text: &str) -> Result<Arc<Regex>> {
    let source = match pattern {
        Value::Regex(regex) if text.is_ascii() => return Ok(Arc::clone(regex)),
        Value::Regex(regex) => regex.as_str(),
        Value::Str(source) => source,
        other => return Err(not_a("a pattern", other)),
    };
    if text.is_ascii() {
        compile(source)
    } else {
        compile(&ascii_classes(source))
    }
}

/// The same pattern with the shorthand classes spelt out.
fn ascii_classes(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str(r"[ \t\n\x0B\f\r]"),
            Some('S') => out.push_str(r"[^ \t\n\x0B\f\r]"),
            Some('b') => out.push_str(r"(?-u:\b)"),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

/// The text an argument must be.
pub(super) fn text_of(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| not_a("a string", value))
}

pub(super) fn re_pattern(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Regex(_) => Ok(args[0].clone()),
        other => Ok(Value::Regex(compile(text_of(other)?)?)),
    }
}

pub(super) fn re_find(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[1])?;
    Ok(matcher(&args[0], text)?
        .captures(text)
        .map(|found| groups(&found))
        .unwrap_or_default())
}

pub(super) fn re_matches(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[1])?;
    let inner = matcher(&args[0], text)?;
    let whole = compile(&format!(r"\A(?:{})\z", inner.as_str()))?;
    Ok(whole
        .captures(text)
        .map(|found| groups(&found))
        .unwrap_or_default())
}

pub(super) fn re_seq(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[1])?;
    let mut found = Items::default();
    for captures in matcher(&args[0], text)?.captures_iter(text) {
        found.push(groups(&captures))?;
    }
    Ok(if found.len() == 0 {
        Value::Nil
    } else {
        found.into_list()
    })
}

/// The match alone, or with its groups as a vector.
pub(super) fn groups(captures: &Captures<'_>) -> Value {
    let part = |n: usize| {
        captures
            .get(n)
            .map(|m| Value::str(m.as_str()))
            .unwrap_or_default()
    };
    match captures.len() {
        1 => part(0),
        count => Value::vector((0..count).map(part)),
    }
}
