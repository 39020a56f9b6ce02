//! Text: `subs` and what `clojure.string` offers. Indexes count UTF-16 units, as Java's do.

use super::callable;
use super::failure::{Cause, not_a};
use super::number::index;
use super::print::Text;
use super::regex::{groups, matcher, text_of};
use super::seq::{items, utf16_len};
use crate::error::Result;
use crate::value::Value;

pub(super) fn subs(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[0])?;
    let length = utf16_len(text);
    let bound = |value: &Value| -> Result<usize> {
        let n = index(value)?;
        usize::try_from(n)
            .ok()
            .filter(|n| *n <= length)
            .ok_or_else(|| out_of_range(n, length))
    };
    let start = bound(&args[1])?;
    let end = args.get(2).map_or(Ok(length), bound)?;
    if start > end {
        return Err(out_of_range(start as i64, end));
    }
    if text.is_ascii() {
        return Ok(Value::str(&text[start..end]));
    }
    let units: Vec<u16> = text.encode_utf16().skip(start).take(end - start).collect();
    Ok(Value::from(String::from_utf16_lossy(&units)))
}

fn out_of_range(index: i64, length: usize) -> crate::Error {
    Cause::Index.error(format!(
        "String index out of range: {index}, length {length}"
    ))
}

/// What `.toString` gives of anything but `nil`, for the functions that take any object.
fn to_text(value: &Value) -> Result<String> {
    if value.is_nil() {
        return Err(not_a("a string", value));
    }
    let mut text = Text::default();
    text.push_str_of(value)?;
    Ok(text.into_string())
}

pub(super) fn upper_case(args: &[Value]) -> Result<Value> {
    Ok(Value::from(to_text(&args[0])?.to_uppercase()))
}

pub(super) fn lower_case(args: &[Value]) -> Result<Value> {
    Ok(Value::from(to_text(&args[0])?.to_lowercase()))
}

pub(super) fn capitalize(args: &[Value]) -> Result<Value> {
    let text = to_text(&args[0])?;
    let mut chars = text.chars();
    let first: String = chars
        .next()
        .map(|c| c.to_uppercase().collect())
        .unwrap_or_default();
    Ok(Value::from(first + &chars.as_str().to_lowercase()))
}

fn is_space(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}')
        || (c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}'))
}

pub(super) fn trim(args: &[Value]) -> Result<Value> {
    Ok(Value::str(text_of(&args[0])?.trim_matches(is_space)))
}

pub(super) fn trim_left(args: &[Value]) -> Result<Value> {
    Ok(Value::str(text_of(&args[0])?.trim_start_matches(is_space)))
}

pub(super) fn trim_right(args: &[Value]) -> Result<Value> {
    Ok(Value::str(text_of(&args[0])?.trim_end_matches(is_space)))
}

pub(super) fn trim_newline(args: &[Value]) -> Result<Value> {
    Ok(Value::str(
        text_of(&args[0])?.trim_end_matches(['\n', '\r']),
    ))
}

pub(super) fn is_blank(args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Nil => Ok(Value::Bool(true)),
        other => Ok(Value::Bool(text_of(other)?.chars().all(is_space))),
    }
}

pub(super) fn reverse(args: &[Value]) -> Result<Value> {
    Ok(Value::from(
        text_of(&args[0])?.chars().rev().collect::<String>(),
    ))
}

pub(super) fn starts_with(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(
        to_text(&args[0])?.starts_with(text_of(&args[1])?),
    ))
}

pub(super) fn ends_with(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(
        to_text(&args[0])?.ends_with(text_of(&args[1])?),
    ))
}

pub(super) fn includes(args: &[Value]) -> Result<Value> {
    Ok(Value::Bool(to_text(&args[0])?.contains(text_of(&args[1])?)))
}

pub(super) fn index_of(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[0])?;
    let wanted = needle(&args[1])?;
    let from = args.get(2).map_or(Ok(0), index)?.max(0) as usize;
    let start = byte_at(text, from);
    let found = text[start..].find(&wanted).map(|at| start + at);
    Ok(found
        .map(|at| Value::from(utf16_len(&text[..at])))
        .unwrap_or_default())
}

pub(super) fn last_index_of(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[0])?;
    let wanted = needle(&args[1])?;
    let from = args.get(2).map_or(Ok(i64::MAX), index)?;
    let Ok(from) = usize::try_from(from) else {
        return Ok(Value::Nil);
    };
    let mut end = (byte_at(text, from) + wanted.len()).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let found = text[..end].rfind(&wanted);
    Ok(found
        .map(|at| Value::from(utf16_len(&text[..at])))
        .unwrap_or_default())
}

/// The byte at which the character of a UTF-16 index starts, or the end.
fn byte_at(text: &str, units: usize) -> usize {
    if text.is_ascii() {
        return units.min(text.len());
    }
    let mut passed = 0;
    for (at, c) in text.char_indices() {
        if passed >= units {
            return at;
        }
        passed += c.len_utf16();
    }
    text.len()
}

fn needle(value: &Value) -> Result<String> {
    match value {
        Value::Char(c) => Ok(c.to_string()),
        other => text_of(other).map(str::to_owned),
    }
}

pub(super) fn join(args: &[Value]) -> Result<Value> {
    let mut separator = Text::default();
    if let [separating, _] = args {
        separator.push_str_of(separating)?;
    }
    let separator = separator.into_string();
    let mut text = Text::default();
    for (n, item) in items(&args[args.len() - 1])?.iter().enumerate() {
        if n > 0 {
            text.push(&separator)?;
        }
        text.push_str_of(item)?;
    }
    Ok(text.into_value())
}

pub(super) fn split(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[0])?;
    let limit = args.get(2).and_then(Value::as_long).unwrap_or(0);
    Ok(Value::vector(
        parts(text, &args[1], limit)?.into_iter().map(Value::str),
    ))
}

pub(super) fn split_lines(args: &[Value]) -> Result<Value> {
    let text = text_of(&args[0])?;
    Ok(Value::vector(
        parts(text, &Value::str("\r?\n"), 0)?
            .into_iter()
            .map(Value::str),
    ))
}

/// As Java's `Pattern.split`: no empty part before a match of no width at the start, and trailing
/// empty parts only under a limit.
fn parts<'a>(text: &'a str, pattern: &Value, limit: i64) -> Result<Vec<&'a str>> {
    let regex = matcher(pattern, text)?;
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(text) {
        if limit > 0 && parts.len() as i64 == limit - 1 {
            break;
        }
        if found.end() == 0 || (found.is_empty() && found.start() == text.len()) {
            continue;
        }
        parts.push(&text[from..found.start()]);
        from = found.end();
    }
    parts.push(&text[from..]);
    if limit == 0 {
        while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        if parts == [""] && !text.is_empty() {
            parts.clear();
        }
    }
    Ok(parts)
}

#[derive(Clone, Copy, PartialEq)]
enum Reach {
    All,
    First,
}

pub(super) fn replace(args: &[Value]) -> Result<Value> {
    replaced(args, Reach::All)
}

pub(super) fn replace_first(args: &[Value]) -> Result<Value> {
    replaced(args, Reach::First)
}

fn replaced(args: &[Value], reach: Reach) -> Result<Value> {
    let text = text_of(&args[0])?;
    match (&args[1], &args[2]) {
        (Value::Char(from), Value::Char(to)) => {
            literal(text, &from.to_string(), &to.to_string(), reach)
        }
        (Value::Str(from), Value::Str(to)) => literal(text, from, to, reach),
        (pattern @ Value::Regex(_), with) => by_pattern(text, pattern, with, reach),
        (Value::Char(_) | Value::Str(_), with) => {
            Err(not_a("a replacement of the same kind", with))
        }
        (other, _) => Err(Cause::IllegalArgument
            .error("replace takes a string, a character or a pattern, and its like")
            .with("value", other.clone())),
    }
}

fn literal(text: &str, from: &str, to: &str, reach: Reach) -> Result<Value> {
    let mut out = Text::default();
    let mut rest = 0;
    for (at, found) in text.match_indices(from) {
        out.push(&text[rest..at])?;
        out.push(to)?;
        rest = at + found.len();
        if reach == Reach::First {
            break;
        }
    }
    out.push(&text[rest..])?;
    Ok(out.into_value())
}

fn by_pattern(text: &str, pattern: &Value, with: &Value, reach: Reach) -> Result<Value> {
    let regex = matcher(pattern, text)?;
    let mut out = Text::default();
    let mut rest = 0;
    for captures in regex.captures_iter(text) {
        let Some(found) = captures.get(0) else { break };
        out.push(&text[rest..found.start()])?;
        match with {
            Value::Str(template) => expand(template, &captures, &mut out)?,
            function => out.push_str_of(&callable::call(function, &[groups(&captures)])?)?,
        }
        rest = found.end();
        if reach == Reach::First {
            break;
        }
    }
    out.push(&text[rest..])?;
    Ok(out.into_value())
}

/// Java's replacement text: `$1` or `${name}` is a group, a backslash takes the next as it is.
fn expand(template: &str, captures: &regex::Captures<'_>, out: &mut Text) -> Result<()> {
    let mut rest = template;
    while let Some(at) = rest.find(['\\', '$']) {
        out.push(&rest[..at])?;
        let (mark, after) = rest[at..].split_at(1);
        let mut chars = after.chars();
        if mark == "\\" {
            let c = chars
                .next()
                .ok_or_else(|| template_error("character to be escaped is missing"))?;
            out.push(c.encode_utf8(&mut [0; 4]))?;
            rest = chars.as_str();
            continue;
        }
        if let Some((name, tail)) = after.strip_prefix('{').and_then(|s| s.split_once('}')) {
            out.push(
                captures
                    .name(name)
                    .ok_or_else(|| template_error("no such group"))?
                    .as_str(),
            )?;
            rest = tail;
            continue;
        }
        let mut digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(template_error("Illegal group reference"));
        }
        // The longest number that is a group, as Java reads it.
        while digits > 1
            && after[..digits]
                .parse()
                .is_ok_and(|n: usize| n >= captures.len())
        {
            digits -= 1;
        }
        let group: usize = after[..digits].parse().unwrap_or(usize::MAX);
        if group >= captures.len() {
            return Err(Cause::Index.error(format!("No group {group}")));
        }
        out.push(captures.get(group).map_or("", |m| m.as_str()))?;
        rest = &after[digits..];
    }
    out.push(rest)
}

fn template_error(message: &str) -> crate::Error {
    Cause::IllegalArgument.error(message)
}

pub(super) fn escape(args: &[Value]) -> Result<Value> {
    let mut out = Text::default();
    for c in text_of(&args[0])?.chars() {
        match callable::call(&args[1], &[Value::Char(c)])? {
            Value::Nil => out.push(c.encode_utf8(&mut [0; 4]))?,
            other => out.push_str_of(&other)?,
        }
    }
    Ok(out.into_value())
}
