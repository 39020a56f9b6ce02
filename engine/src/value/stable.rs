//! The hash of interned values: the same on every machine and for ever, for segments keep it.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3;

use super::Value;

/// The hash of anything that is part of a value.
pub(super) fn stable_hash_of(x: impl Hash) -> u64 {
    let mut hasher = Stable(Xxh3::new());
    x.hash(&mut hasher);
    hasher.finish()
}

/// XXH3 over what [`Value`]'s `Hash` says of a value, numbers as little-endian bytes. Equal values
/// (in Clojure's sense) have equal hashes.
pub fn stable_hash(value: &Value) -> u64 {
    match value {
        // Most of what is interned, without the cost of a streaming state.
        Value::Str(text) => xxhash_rust::xxh3::xxh3_64(text.as_bytes()),
        _ => stable_hash_of(value),
    }
}

/// A hasher that does not depend on the machine.
struct Stable(Xxh3);

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u16(&mut self, n: u16) {
        self.write(&n.to_le_bytes());
    }

    fn write_u32(&mut self, n: u32) {
        self.write(&n.to_le_bytes());
    }

    fn write_u64(&mut self, n: u64) {
        self.write(&n.to_le_bytes());
    }

    fn write_u128(&mut self, n: u128) {
        self.write(&n.to_le_bytes());
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_i16(&mut self, n: i16) {
        self.write_u16(n as u16);
    }

    fn write_i32(&mut self, n: i32) {
        self.write_u32(n as u32);
    }

    fn write_i64(&mut self, n: i64) {
        self.write_u64(n as u64);
    }

    fn write_i128(&mut self, n: i128) {
        self.write_u128(n as u128);
    }

    fn write_isize(&mut self, n: isize) {
        self.write_i64(n as i64);
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}
