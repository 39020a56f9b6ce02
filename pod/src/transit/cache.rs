//! The key cache: which strings get a code, and which code.
//!
//! Reader and writer count the same strings in the same order, so no table is ever sent. Codes
//! are `^` and one or two digits to base 44 that start at `0`; after 44² strings both start over.

use std::collections::HashMap;

const BASE: usize = 44;
const FIRST_DIGIT: u8 = b'0';
/// Strings that have a code at one time.
const CODES: usize = BASE * BASE;
/// Shortest string worth a code, in UTF-16 units.
const UNITS_MIN: usize = 4;

/// Whether a string stands where a map has its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Key,
    Value,
}

/// Whether reader and writer give a string a code: `prefix` is its `~` and letter as far as the
/// writer adds them, `text` the rest without JSON escapes.
pub(super) fn is_cacheable(prefix: &str, text: &str, place: Place) -> bool {
    if place == Place::Value {
        let (first, second) = match prefix.as_bytes() {
            [] => (text.as_bytes().first(), text.as_bytes().get(1)),
            bytes => (bytes.first(), bytes.get(1)),
        };
        if first != Some(&b'~') || !matches!(second, Some(b':' | b'$' | b'#')) {
            return false;
        }
    }
    match prefix.len() + text.len() {
        0..UNITS_MIN => false,
        // Three bytes at most make a unit.
        len if len > 3 * (UNITS_MIN - 1) => true,
        _ => prefix.encode_utf16().chain(text.encode_utf16()).count() >= UNITS_MIN,
    }
}

/// What a reader has seen.
pub(super) struct ReadCache<T> {
    seen: Vec<T>,
}

impl<T> ReadCache<T> {
    pub(super) fn new() -> ReadCache<T> {
        ReadCache { seen: Vec::new() }
    }

    pub(super) fn add(&mut self, item: T) {
        if self.seen.len() == CODES {
            self.seen.clear();
        }
        self.seen.push(item);
    }

    /// What a code, `^` and its digits, stands for; none if it is no code or not yet in use.
    pub(super) fn get(&self, code: &str) -> Option<&T> {
        let digit = |byte: u8| {
            let digit = usize::from(byte.checked_sub(FIRST_DIGIT)?);
            (digit < BASE).then_some(digit)
        };
        let index = match code.as_bytes() {
            [_, low] => digit(*low)?,
            [_, high, low] => digit(*high)? * BASE + digit(*low)?,
            _ => return None,
        };
        self.seen.get(index)
    }
}

/// What a writer has written, in its JSON form.
#[derive(Default)]
pub(super) struct WriteCache {
    codes: HashMap<Box<[u8]>, u16, foldhash::fast::RandomState>,
}

impl WriteCache {
    /// The code of a string that was written before; otherwise the string gets the next one.
    pub(super) fn code(&mut self, text: &[u8]) -> Option<Code> {
        if let Some(index) = self.codes.get(text) {
            return Some(Code(*index));
        }
        if self.codes.len() == CODES {
            self.codes.clear();
        }
        self.codes.insert(text.into(), self.codes.len() as u16);
        None
    }
}

/// A code, as the number of its string.
#[derive(Clone, Copy)]
pub(super) struct Code(u16);

impl Code {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let digit = |n: usize| n as u8 + FIRST_DIGIT;
        let (high, low) = (usize::from(self.0) / BASE, usize::from(self.0) % BASE);
        out.push(b'^');
        if high > 0 {
            out.push(digit(high));
        }
        out.push(digit(low));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_to_base_44_and_start_over() {
        let mut cache = WriteCache::default();
        let mut code_of = |n: usize| {
            let text = format!("~:key{n}");
            assert!(cache.code(text.as_bytes()).is_none());
            let mut out = Vec::new();
            cache.code(text.as_bytes()).expect("seen").write(&mut out);
            String::from_utf8(out).expect("ASCII")
        };
        let codes: Vec<String> = (0..=CODES).map(&mut code_of).collect();
        assert_eq!(codes[0], "^0");
        assert_eq!(codes[43], "^[");
        assert_eq!(codes[44], "^10");
        assert_eq!(codes[CODES - 1], "^[[");
        assert_eq!(codes[CODES], "^0");

        let mut seen = ReadCache::new();
        (0..CODES).for_each(|n| seen.add(n));
        assert_eq!(
            [seen.get("^0"), seen.get("^[["), seen.get("^10")],
            [Some(&0), Some(&(CODES - 1)), Some(&44)]
        );
        seen.add(CODES);
        assert_eq!(
            [
                seen.get("^0"),
                seen.get("^1"),
                seen.get("^"),
                seen.get("^\\"),
                seen.get("^/")
            ],
            [Some(&CODES), None, None, None, None]
        );
    }

    #[test]
    fn short_strings_get_no_code() {
        for (text, key, value) in [
            ("~:ab", true, true),
            ("~:a", false, false),
            ("abcd", true, false),
            ("éé", false, false),
            ("éééé", true, false),
            ("~#ab", true, true),
            ("~ia1", true, false),
        ] {
            assert_eq!(
                (
                    is_cacheable("", text, Place::Key),
                    is_cacheable("", text, Place::Value)
                ),
                (key, value),
                "{text}"
            );
        }
    }
}
