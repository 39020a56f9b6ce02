//! The form of the small objects of a store that change as a whole: one line that proves them
//! (magic, format, digest, length), then EDN.

use crate::edn;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Longest such object, in bytes.
pub(super) const BYTES_MAX: u64 = 16 << 20;

/// A kind of such objects.
pub(super) struct Form {
    /// What an object of it starts with.
    pub(super) magic: &'static str,
    /// The newest format this build reads, and the one it writes.
    pub(super) format: u32,
    /// What damage to one is called.
    pub(super) damage: Code,
}

impl Form {
    /// The bytes of an object; none if EDN cannot write what it should hold.
    pub(super) fn encode(&self, content: &Value) -> Option<Vec<u8>> {
        let body = format!("{content}\n");
        if !matches!(edn::read(&body), Ok(back) if back == *content) {
            return None;
        }
        let (magic, format, digest) = (self.magic, self.format, digest(self.format, &body));
        Some(format!("{magic} {format} {digest} {}\n{body}", body.len()).into_bytes())
    }

    /// What an object holds; `name` is what errors call it.
    pub(super) fn decode(&self, name: &str, bytes: &[u8]) -> Result<Value> {
        let damaged = |how: &str| self.damaged(name, how);
        let parts = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.split_once('\n'));
        let (line, body) = parts.ok_or_else(|| damaged("it is cut short"))?;
        let mut words = line.split(' ');
        if words.next() != Some(self.magic) {
            return Err(damaged("it does not start as one"));
        }
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        let format = number(words.next()).ok_or_else(|| damaged("it names no format"))?;
        let stored = words.next().unwrap_or_default();
        if number(words.next()) != Some(body.len() as u64)
            || u32::try_from(format)
                .map(|format| digest(format, body))
                .as_deref()
                != Ok(stored)
        {
            return Err(damaged("it does not match its checksum"));
        }
        if format > u64::from(self.format) {
            let message = format!(
                "the object {name} has format {format}; this build reads up to {}",
                self.format
            );
            return Err(Error::new(Code::FormatVersion, message));
        }
        edn::read(body).map_err(|_| damaged("it is not EDN"))
    }

    /// The error for an object that is not what was written.
    pub(super) fn damaged(&self, name: &str, how: &str) -> Error {
        let message = format!("the object {name} of the store is damaged: {how}");
        Error::new(self.damage, message).with("file", name)
    }
}

fn digest(format: u32, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&format.to_le_bytes());
    hasher.update(body.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_changed_bit_goes_unseen_and_newer_formats_are_told_from_damage() {
        let form = |format| Form {
            magic: "datalith-test",
            format,
            damage: Code::CorruptSegment,
        };
        let content = edn::read("{:a [1 \"b\"]}").unwrap();
        let bytes = form(1).encode(&content).unwrap();
        assert_eq!(form(1).decode("x", &bytes).unwrap(), content);
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(form(1).decode("x", &changed).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            let error = form(1).decode("x", &bytes[..len]).unwrap_err();
            assert_eq!(error.code(), Code::CorruptSegment, "{len} bytes");
        }
        let newer = form(2).encode(&content).unwrap();
        let error = form(1).decode("x", &newer).unwrap_err();
        assert_eq!(error.code(), Code::FormatVersion);
    }
}
