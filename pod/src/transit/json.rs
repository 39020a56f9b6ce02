//! JSON's own scalars: strings with their escapes, and where tokens end.

use std::borrow::Cow;

use datalith_engine::{Code, Error, Result, Span};

/// An error at some bytes of the text.
pub(super) fn wrong(message: impl Into<String>, start: usize, end: usize) -> Error {
    Error::new(Code::TransitSyntax, message).at(Span { start, end })
}

/// Bytes that a JSON string cannot hold as they are.
static SPECIAL: [bool; 256] = special();

const fn special() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
}

/// The first special byte at or after `at`, or the end.
fn plain_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    let clear = words
        .iter()
        .take_while(|word| is_plain_word(u64::from_ne_bytes(**word)))
        .count();
    let near = words[clear..].iter().flatten().chain(tail);
    let offset = 8 * clear;
    at + offset + near.take_while(|byte| !SPECIAL[**byte as usize]).count()
}

/// Whether none of eight bytes is special: each test leaves the high bit of a byte that is.
fn is_plain_word(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x80 * ONES;
    let below = |word: u64, bound: u64| word.wrapping_sub(bound * ONES) & !word & HIGHS;
    let quotes = word ^ (u64::from(b'"') * ONES);
    let backslashes = word ^ (u64::from(b'\\') * ONES);
    below(word, 0x20) | below(quotes, 1) | below(backslashes, 1) == 0
}

/// Reads the string whose opening quote is at `start`: its text and where it ends.
pub(super) fn string(text: &str, start: usize) -> Result<(Cow<'_, str>, usize)> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    let mut end = plain_end(bytes, at);
    if bytes.get(end) == Some(&b'"') {
        return Ok((Cow::Borrowed(&text[at..end]), end + 1));
    }
    let mut out = String::new();
    loop {
        out.push_str(&text[at..end]);
        match bytes.get(end) {
            Some(b'"') => return Ok((Cow::Owned(out), end + 1)),
            Some(b'\\') => {
                let (c, next) = unescape(text, end)?;
                out.push(c);
                at = next;
            }
            Some(_) => {
                return Err(wrong(
                    "A string holds a raw control character",
                    end,
                    end + 1,
                ));
            }
            None => return Err(wrong("The text ends inside a string", start, start + 1)),
        }
        end = plain_end(bytes, at);
    }
}

/// Reads the escape whose backslash is at `at`: its character and where it ends.
fn unescape(text: &str, at: usize) -> Result<(char, usize)> {
    let fail = || wrong("Invalid escape in a string", at, at + 1);
    let plain = match text.as_bytes().get(at + 1) {
        Some(b'u') => return unicode_escape(text, at).ok_or_else(fail),
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        _ => return Err(fail()),
    };
    Ok((plain, at + 2))
}

/// `\uXXXX`, or two of them for a character beyond the first plane; none for a lone half.
fn unicode_escape(text: &str, at: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex
            .then(|| u16::from_str_radix(digits, 16).ok())
            .flatten()
    };
    let high = unit(at)?;
    if let Some(c) = char::from_u32(u32::from(high)) {
        return Some((c, at + 6));
    }
    let low = unit(at + 6)?;
    let c = char::decode_utf16([high, low]).next()?.ok()?;
    Some((c, at + 12))
}

/// The end of the number or name that starts at `at`.
pub(super) fn bare_end(bytes: &[u8], at: usize) -> usize {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|byte| !is_bare(byte))
        .unwrap_or(rest.len())
}

/// Whether a token is a JSON number.
pub(super) fn is_number(token: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            exponent.strip_prefix(['+', '-']).unwrap_or(exponent),
        ),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(whole)
        && digits(fraction)
        && digits(exponent)
        && (whole.len() == 1 || !whole.starts_with('0'))
}

/// Writes the inside of a string, escaped as Jackson does.
pub(super) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let end = plain_end(bytes, from);
        out.extend_from_slice(&bytes[from..end]);
        let Some(byte) = bytes.get(end) else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x8 => out.extend_from_slice(b"\\b"),
            0xc => out.extend_from_slice(b"\\f"),
            _ => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
        }
        from = end + 1;
    }
}
