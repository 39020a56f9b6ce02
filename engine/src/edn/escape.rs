//! Strings, characters and patterns: from their escapes and back.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::reader::wrong;
use super::scan;
use crate::error::{Result, Span};

/// Reads the string whose opening quote is at `start`: its text and where it ends.
pub(super) fn string(text: &str, start: usize) -> Result<(Cow<'_, str>, usize)> {
    let bytes = text.as_bytes();
    let plain = plain_end(bytes, start + 1);
    if bytes.get(plain) == Some(&b'"') {
        return Ok((Cow::Borrowed(&text[start + 1..plain]), plain + 1));
    }
    let mut out = String::new();
    let mut at = start + 1;
    loop {
        let end = plain_end(bytes, at);
        out.push_str(&text[at..end]);
        match bytes.get(end) {
            Some(b'"') => return Ok((Cow::Owned(out), end + 1)),
            Some(_) => {
                let (c, next) = unescape(text, end)?;
                out.push(c);
                at = next;
            }
            None => {
                return Err(
                    wrong("The text ends inside the string opened here").at(Span {
                        start,
                        end: start + 1,
                    }),
                );
            }
        }
    }
}

/// The first quote or backslash at or after `at`.
fn plain_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at.min(bytes.len())..];
    at + rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\'))
        .unwrap_or(rest.len())
}

/// Reads the escape whose backslash is at `at`: its character and where it ends.
fn unescape(text: &str, at: usize) -> Result<(char, usize)> {
    let Some(c) = text[at + 1..].chars().next() else {
        return Err(wrong("The text ends inside an escape").at(Span {
            start: at,
            end: at + 1,
        }));
    };
    let end = at + 1 + c.len_utf8();
    let span = Span { start: at, end };
    Ok(match c {
        't' => ('\t', end),
        'n' => ('\n', end),
        'r' => ('\r', end),
        'b' => ('\u{8}', end),
        'f' => ('\u{c}', end),
        '"' | '\\' => (c, end),
        'u' => return unicode_escape(text, at),
        '0'..='9' => {
            let (unit, end) = digits(text, at + 1, 8, 3).map_err(|end| {
                wrong("Expected up to three octal digits after `\\`").at(Span { start: at, end })
            })?;
            let c = char::from_u32(unit).filter(|c| *c <= '\u{ff}');
            (
                c.ok_or_else(|| out_of_octal().at(Span { start: at, end }))?,
                end,
            )
        }
        _ => return Err(wrong(format!("Unknown escape `\\{c}` in a string")).at(span)),
    })
}

fn out_of_octal() -> crate::Error {
    wrong("An octal escape must be at most 377")
}

/// `\uXXXX`, or two of them for a character beyond the first plane.
fn unicode_escape(text: &str, at: usize) -> Result<(char, usize)> {
    let unit = |at: usize| {
        let read = digits(text, at + 2, 16, 4)
            .ok()
            .filter(|(_, end)| *end == at + 6);
        read.ok_or_else(|| {
            let end = text.len().min(at + 2);
            wrong("Expected four hexadecimal digits after `\\u`").at(Span { start: at, end })
        })
    };
    let (high, end) = unit(at)?;
    if let Some(c) = char::from_u32(high) {
        return Ok((c, end));
    }
    if (0xd800..0xdc00).contains(&high) && text[end..].starts_with("\\u") {
        let (low, end) = unit(end)?;
        if (0xdc00..0xe000).contains(&low) {
            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            if let Some(c) = char::from_u32(code) {
                return Ok((c, end));
            }
        }
    }
    Err(wrong(format!("\\u{high:04x} is one half of a character")).at(Span { start: at, end }))
}

/// Up to `most` digits at `at` and where they end. As in Clojure they end early only before a
/// blank or the start of a form; an error is the end of what does not belong.
fn digits(
    text: &str,
    at: usize,
    radix: u32,
    most: usize,
) -> std::result::Result<(u32, usize), usize> {
    let mut number = 0;
    let mut end = at;
    for (index, c) in text[at..].chars().take(most).enumerate() {
        match c.to_digit(radix) {
            Some(digit) => number = number * radix + digit,
            None if index > 0 && scan::ends_escape(c) => break,
            None => return Err(end + c.len_utf8()),
        }
        end += 1;
    }
    if end == at {
        Err(end)
    } else {
        Ok((number, end))
    }
}

/// The character that the text after a backslash names.
pub(super) fn character(token: &str) -> Result<char> {
    let mut chars = token.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return Ok(c);
    }
    let all_digits = |text: &str, radix| text.chars().all(|c| char::is_digit(c, radix));
    Ok(match token {
        "newline" => '\n',
        "space" => ' ',
        "tab" => '\t',
        "backspace" => '\u{8}',
        "formfeed" => '\u{c}',
        "return" => '\r',
        _ => match (token.strip_prefix('u'), token.strip_prefix('o')) {
            (Some(hex), _) if hex.len() == 4 && all_digits(hex, 16) => {
                let unit = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
                unit.ok_or_else(|| wrong(format!("\\{token} is one half of a character")))?
            }
            (Some(_), _) => return Err(wrong("Expected four hexadecimal digits after `\\u`")),
            (_, Some(octal)) if octal.len() <= 3 && all_digits(octal, 8) => {
                let unit = u32::from_str_radix(octal, 8).ok().and_then(char::from_u32);
                unit.filter(|c| *c <= '\u{ff}').ok_or_else(out_of_octal)?
            }
            _ => return Err(wrong(format!("Unknown character: \\{token}"))),
        },
    })
}

/// Reads the pattern whose opening quote is at `start`: backslashes stay as they are.
pub(super) fn pattern(text: &str, start: usize) -> Result<(&str, usize)> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok((&text[start + 1..at], at + 1)),
            Some(_) => at += 2,
            None => {
                return Err(
                    wrong("The text ends inside the pattern opened here").at(Span {
                        start: start - 1,
                        end: start + 1,
                    }),
                );
            }
        }
    }
}

/// Writes a string with quotes and Clojure's escapes.
pub(super) fn write_string(f: &mut impl Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\t' => "\\t",
            b'\r' => "\\r",
            0x8 => "\\b",
            0xc => "\\f",
            _ => continue,
        };
        f.write_str(&text[from..at])?;
        f.write_str(escape)?;
        from = at + 1;
    }
    f.write_str(&text[from..])?;
    f.write_char('"')
}

/// Writes a character as a form.
pub(super) fn write_character(f: &mut impl Write, c: char) -> fmt::Result {
    f.write_char('\\')?;
    match c {
        '\n' => f.write_str("newline"),
        ' ' => f.write_str("space"),
        '\t' => f.write_str("tab"),
        '\u{8}' => f.write_str("backspace"),
        '\u{c}' => f.write_str("formfeed"),
        '\r' => f.write_str("return"),
        _ => f.write_char(c),
    }
}

/// Writes a pattern; a quote within it gets a backslash if it has none.
pub(super) fn write_pattern(f: &mut impl Write, pattern: &str) -> fmt::Result {
    f.write_str("#\"")?;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => {
                f.write_char(c)?;
                chars.next().map_or(Ok(()), |next| f.write_char(next))?;
            }
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
