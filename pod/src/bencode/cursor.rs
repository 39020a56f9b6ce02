//! Walks one whole bencode item, strictly, without building anything.

use std::ops::Range;

use crate::limits::MESSAGE_DEPTH;

/// What is wrong with an item that is framed but badly formed.
pub type Flaw = &'static str;

/// A place in one item. Every item it walks was framed before, but nothing is taken on trust.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the first byte.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// The byte here; 0 past the end.
    pub fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// How many bytes lie behind.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Takes this byte if it is the one here.
    pub fn take(&mut self, byte: u8) -> bool {
        let here = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(here);
        here
    }

    /// A string: where its bytes lie.
    pub fn string(&mut self) -> Result<Range<usize>, Flaw> {
        let digits = self.digits();
        if digits.is_empty() || !self.take(b':') {
            return Err("a string must begin with its length and a colon");
        }
        if digits.len() > 1 && digits[0] == b'0' {
            return Err("a length has a leading zero");
        }
        let length = decimal(digits).ok_or("a length is out of range")?;
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length));
        let end = end
            .filter(|end| *end <= self.bytes.len())
            .ok_or("a string is cut short")?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    /// An integer within 64 bits.
    pub fn integer(&mut self) -> Result<i64, Flaw> {
        if !self.take(b'i') {
            return Err("an integer must begin with i");
        }
        let negative = self.take(b'-');
        let digits = self.digits();
        if digits.is_empty() || !self.take(b'e') {
            return Err("an integer must be digits between i and e");
        }
        if digits[0] == b'0' && (digits.len() > 1 || negative) {
            return Err("an integer has a leading zero");
        }
        let size = decimal(digits).ok_or("an integer is beyond 64 bits")?;
        let signed = if negative {
            -i128::from(size)
        } else {
            i128::from(size)
        };
        i64::try_from(signed).map_err(|_| "an integer is beyond 64 bits")
    }

    /// Any item; checks its form and its depth.
    pub fn skip(&mut self) -> Result<(), Flaw> {
        // One entry for each open collection: none in a list; in a dictionary, whether a key is due.
        let mut open: Vec<Option<bool>> = Vec::new();
        loop {
            let key_due = open.last() == Some(&Some(true));
            match self.peek() {
                b'0'..=b'9' => {
                    self.string()?;
                }
                b'e' if open.last() == Some(&Some(false)) => return Err("a key has no value"),
                b'e' if !open.is_empty() => {
                    self.at += 1;
                    open.pop();
                }
                _ if key_due => return Err("a key must be a string"),
                b'i' => {
                    self.integer()?;
                }
                b'l' | b'd' => {
                    if open.len() == MESSAGE_DEPTH {
                        return Err("a message is nested too deeply");
                    }
                    open.push((self.peek() == b'd').then_some(true));
                    self.at += 1;
                    continue;
                }
                _ => return Err("an item must begin with a digit, i, l or d"),
            }
            match open.last_mut() {
                None => return Ok(()),
                Some(Some(key_due)) => *key_due = !*key_due,
                Some(None) => {}
            }
        }
    }

    fn digits(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        &rest[..count]
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |n, digit| {
        n.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut cursor = Cursor::new(text.as_bytes());
        let found = match cursor.skip() {
            Ok(()) => format!("ok {}", cursor.position()),
            Err(flaw) => flaw.to_owned(),
        };
        assert!(found.contains(expected), "{text}: {found}");
    }

    #[test]
    fn is_strict() {
        check("0:", "ok 2");
        check("00:", "leading zero");
        check("3:ab", "cut short");
        check("99999999999999999999:", "out of range");
        check("i-7e", "ok 4");
        check("i0e", "ok 3");
        check("i-0e", "leading zero");
        check("i00e", "leading zero");
        check("i-e", "digits");
        check("i9223372036854775807e", "ok 21");
        check("i-9223372036854775808e", "ok 22");
        check("i9223372036854775808e", "beyond 64 bits");
        check("ld1:ai1eelee", "ok 12");
        check("d1:ae", "no value");
        check("di1e0:e", "must be a string");
        check("dle0:e", "must be a string");
        check("l", "must begin");
        check("", "must begin");
    }

    #[test]
    fn caps_depth() {
        let nested = |depth| format!("{}{}", "l".repeat(depth), "e".repeat(depth));
        check(&nested(MESSAGE_DEPTH), "ok");
        check(&nested(MESSAGE_DEPTH + 1), "too deeply");
        check(&nested(1_000_000), "too deeply");
    }
}
