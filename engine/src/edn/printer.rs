//! The printer: Clojure's `pr-str` and `str`. Keeps a stack of open collections instead of
//! recursing, so that no depth of nesting can exhaust the thread.

use std::fmt::{self, Display, Formatter, Write};

use super::{base64, escape, instant, number, tagged};
use crate::value::Value;

/// Prints as Clojure's `pr-str`; what is printed reads back as an equal value.
///
/// Clojure has no form for arrays: bytes print as `#datalith/bytes "…"`, float arrays as
/// `#datalith/floats […]` and `#datalith/doubles […]`. A 32-bit float prints its own shortest
/// digits, as in Clojure, and reads back as a double.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut open: Vec<Rest<'_>> = Vec::new();
        let mut next = Some(self);
        loop {
            let Some(value) = next else {
                // A collection has come to its end.
                let Some(rest) = open.pop() else {
                    return Ok(());
                };
                f.write_str(rest.closer)?;
                next = advance(&mut open, f)?;
                continue;
            };
            next = match value {
                Value::List(items) => begin(&mut open, f, "(", ")", Parts::Items(items.iter()))?,
                Value::Vector(items) => begin(&mut open, f, "[", "]", Parts::Items(items.iter()))?,
                Value::Set(set) => begin(&mut open, f, "#{", "}", Parts::Elements(set.iter()))?,
                Value::Map(map) => begin(&mut open, f, "{", "}", Parts::Entries(map.iter(), None))?,
                Value::Tagged(tagged) => {
                    write!(f, "#{} ", tagged.0)?;
                    Some(&tagged.1)
                }
                _ => {
                    write_scalar(f, value)?;
                    advance(&mut open, f)?
                }
            };
        }
    }
}

/// What a collection still has to print.
struct Rest<'v> {
    parts: Parts<'v>,
    closer: &'static str,
}

enum Parts<'v> {
    Items(std::slice::Iter<'v, Value>),
    Elements(indexmap::set::Iter<'v, Value>),
    /// The entries to come, and the value of the key just printed.
    Entries(indexmap::map::Iter<'v, Value, Value>, Option<&'v Value>),
}

impl<'v> Parts<'v> {
    /// The next part and what stands before it, unless it is the first.
    fn next(&mut self) -> Option<(&'v Value, &'static str)> {
        match self {
            Parts::Items(items) => items.next().map(|item| (item, " ")),
            Parts::Elements(items) => items.next().map(|item| (item, " ")),
            Parts::Entries(entries, value) => match value.take() {
                Some(value) => Some((value, " ")),
                None => {
                    let (key, of_key) = entries.next()?;
                    *value = Some(of_key);
                    Some((key, ", "))
                }
            },
        }
    }
}

fn begin<'v>(
    open: &mut Vec<Rest<'v>>,
    f: &mut impl Write,
    opener: &str,
    closer: &'static str,
    mut parts: Parts<'v>,
) -> Result<Option<&'v Value>, fmt::Error> {
    f.write_str(opener)?;
    let first = parts.next().map(|(first, _)| first);
    open.push(Rest { parts, closer });
    Ok(first)
}

/// The next part of the innermost collection, after its separator.
fn advance<'v>(open: &mut [Rest<'v>], f: &mut impl Write) -> Result<Option<&'v Value>, fmt::Error> {
    let Some((part, separator)) = open.last_mut().and_then(|rest| rest.parts.next()) else {
        return Ok(None);
    };
    f.write_str(separator)?;
    Ok(Some(part))
}

fn write_scalar(f: &mut Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Nil => f.write_str("nil"),
        Value::Bool(b) => write!(f, "{b}"),
        Value::Long(n) => write!(f, "{n}"),
        Value::Double(x) => number::write_double(f, *x),
        Value::Float(x) => number::write_float(f, *x),
        Value::BigInt(n) => write!(f, "{n}N"),
        Value::BigDec(decimal) => {
            number::write_decimal(f, decimal)?;
            f.write_char('M')
        }
        Value::Ratio(ratio) => write!(f, "{}/{}", ratio.numer(), ratio.denom()),
        Value::Char(c) => escape::write_character(f, *c),
        Value::Str(text) => escape::write_string(f, text),
        Value::Keyword(keyword) => write!(f, ":{}", keyword.as_str()),
        Value::Symbol(symbol) => f.write_str(symbol.as_str()),
        Value::Uuid(uuid) => write!(f, "#uuid \"{uuid}\""),
        Value::Instant(ms) => match instant::instant_text(*ms) {
            Some(text) => write!(f, "#inst \"{text}\""),
            None => write!(f, "#{} {ms}", tagged::INSTANT),
        },
        Value::Bytes(bytes) => write!(f, "#{} \"{}\"", tagged::BYTES, base64::encode(bytes)),
        Value::FloatArray(xs) => {
            // As doubles: these read back to the same 32 bits.
            write_floats(f, tagged::FLOATS, xs.iter().map(|x| f64::from(*x)))
        }
        Value::DoubleArray(xs) => write_floats(f, tagged::DOUBLES, xs.iter().copied()),
        Value::Regex(regex) => escape::write_pattern(f, regex.as_str()),
        Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_) | Value::Tagged(_) => {
            unreachable!("collections are taken apart, not printed here")
        }
    }
}

fn write_floats(f: &mut Formatter<'_>, tag: &str, xs: impl Iterator<Item = f64>) -> fmt::Result {
    write!(f, "#{tag} [")?;
    for (index, x) in xs.enumerate() {
        if index > 0 {
            f.write_char(' ')?;
        }
        number::write_double(f, x)?;
    }
    f.write_char(']')
}

/// Clojure's `str`: strings and characters as they are, `nil` as nothing, numbers without their
/// letter; collections as [`Display`] prints them.
pub fn display_str(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Str(text) => text.to_string(),
        Value::Char(c) => c.to_string(),
        Value::BigInt(n) => n.to_string(),
        Value::Double(x) => number::double_text(*x),
        Value::Float(x) if !x.is_finite() => number::double_text(f64::from(*x)),
        Value::BigDec(_) => value.to_string().trim_end_matches('M').to_owned(),
        Value::Uuid(uuid) => uuid.to_string(),
        Value::Instant(ms) => instant::date_text(*ms),
        Value::Regex(regex) => regex.as_str().to_owned(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn str_is_plain() {
        let show = |text: &str| display_str(&crate::edn::read(text).unwrap());
        for (text, shown) in [
            ("nil", ""),
            ("\"a\\\"b\"", "a\"b"),
            ("\\a", "a"),
            ("1.50M", "1.50"),
            ("10N", "10"),
            ("##-Inf", "-Infinity"),
            ("##NaN", "NaN"),
            ("[\"a\" \\a nil 1N ##Inf]", "[\"a\" \\a nil 1N ##Inf]"),
            (":a/b", ":a/b"),
            ("#\"a.b\"", "a.b"),
        ] {
            assert_eq!(show(text), shown);
        }
    }

    #[test]
    fn any_depth_prints() {
        let mut value = Value::Nil;
        for _ in 0..2_000 {
            value = Value::vector([value]);
        }
        assert_eq!(value.to_string().len(), 2 * 2_000 + 3);
    }
}
