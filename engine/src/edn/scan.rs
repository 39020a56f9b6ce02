//! Which bytes end a token, and how to pass over blanks.

use crate::error::Span;

const BLANK: u8 = 1;
const MACRO: u8 = 2;
const HASH: u8 = 4;
const ILLEGAL: u8 = 8;
const WIDE: u8 = 16;

/// What each byte does to a token.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\t'..=b'\r' | 0x1c..=0x1f | b' ' | b',' => BLANK,
            b'"' | b';' | b'^' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'\\' => MACRO,
            b'#' => HASH,
            b'@' | b'`' | b'~' => ILLEGAL,
            0x80.. => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Blanks beyond ASCII, as Java's `Character.isWhitespace` knows them: no no-break spaces.
fn is_wide_blank(c: char) -> bool {
    matches!(c, '\u{1680}' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}')
}

/// Whether a character is a blank or starts another form.
pub(super) fn ends_escape(c: char) -> bool {
    if c.is_ascii() {
        CLASS[c as usize] & (BLANK | MACRO | HASH) != 0
    } else {
        is_wide_blank(c)
    }
}

/// The first byte at or after `at` that is neither blank nor comment.
pub(super) fn skip_blank(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match CLASS[byte as usize] {
            BLANK => at += 1,
            MACRO if byte == b';' => {
                let line = &bytes[at..];
                at += line
                    .iter()
                    .position(|b| matches!(b, b'\n' | b'\r'))
                    .unwrap_or(line.len());
            }
            WIDE => match text[at..].chars().next() {
                Some(c) if is_wide_blank(c) => at += c.len_utf8(),
                _ => break,
            },
            _ => break,
        }
    }
    at
}

/// The end of the token that starts at `at`, whose first character is already accepted.
/// An error is the place of a character that no token may hold.
pub(super) fn token_end(text: &str, at: usize) -> Result<usize, Span> {
    let bytes = text.as_bytes();
    let mut end = at + 1;
    while !text.is_char_boundary(end) {
        end += 1;
    }
    while let Some(&byte) = bytes.get(end) {
        match CLASS[byte as usize] {
            0 | HASH => end += 1,
            WIDE => match text[end..].chars().next() {
                Some(c) if !is_wide_blank(c) => end += c.len_utf8(),
                _ => break,
            },
            ILLEGAL => {
                return Err(Span {
                    start: end,
                    end: end + 1,
                });
            }
            _ => break,
        }
    }
    Ok(end)
}

/// The end of the number that starts at `at`: the next blank or start of another form.
pub(super) fn number_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut end = at + 1;
    while let Some(&byte) = bytes.get(end) {
        match CLASS[byte as usize] {
            0 | ILLEGAL => end += 1,
            WIDE => match text[end..].chars().next() {
                Some(c) if !is_wide_blank(c) => end += c.len_utf8(),
                _ => break,
            },
            _ => break,
        }
    }
    end
}

/// Whether a token may start with this byte.
pub(super) fn starts_token(byte: u8) -> bool {
    CLASS[byte as usize] & ILLEGAL == 0
}

/// Whether a symbol may start with this byte.
pub(super) fn starts_name(byte: u8) -> bool {
    matches!(CLASS[byte as usize], 0 | WIDE) && !byte.is_ascii_digit()
}
