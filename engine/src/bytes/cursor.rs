//! Numbers as bytes: varints of seven bits a byte, low bits first, and a reader that cannot leave
//! its bytes.

use crate::error::{Code, Error, Result};

/// Appends an unsigned number, one to ten bytes.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a signed number: small ones of either sign are short.
pub(crate) fn put_zigzag(out: &mut Vec<u8>, n: i64) {
    put_varint(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Bytes not read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// Bytes left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// An unsigned number.
    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut n = 0u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            if index == 9 && byte > 1 {
                break;
            }
            n |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(n);
            }
        }
        Err(malformed("a number in it does not end"))
    }

    /// A signed number.
    pub(crate) fn zigzag(&mut self) -> Result<i64> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A count of things that take at least `bytes_min` bytes each: so many can still follow.
    pub(crate) fn count(&mut self, bytes_min: usize) -> Result<usize> {
        let count =
            usize::try_from(self.varint()?).map_err(|_| malformed("a count in it is too large"))?;
        match count.checked_mul(bytes_min) {
            Some(bytes) if bytes <= self.left() => Ok(count),
            _ => Err(malformed("a count in it is larger than its bytes")),
        }
    }
}

/// The error for bytes that no writer of ours wrote.
pub(crate) fn malformed(what: &str) -> Error {
    Error::new(
        Code::CorruptLog,
        format!("a record of the log cannot be read: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN, 1 << 35];
        let mut out = Vec::new();
        numbers.iter().for_each(|&n| put_zigzag(&mut out, n));
        numbers.iter().for_each(|&n| put_varint(&mut out, n as u64));
        let mut cursor = Cursor::new(&out);
        numbers
            .iter()
            .for_each(|&n| assert_eq!(cursor.zigzag().unwrap(), n));
        numbers
            .iter()
            .for_each(|&n| assert_eq!(cursor.varint().unwrap(), n as u64));
        assert_eq!(cursor.left(), 0);
        assert!(cursor.varint().is_err());
        assert!(Cursor::new(&[0xff; 10]).varint().is_err());
        assert!(Cursor::new(&[200, 200, 3]).count(1).is_err());
    }
}
