//! Clojure's `hash`, number for number.
//!
//! Where Datahike leaves an order to chance, the chance is this hash: the order of sets decides
//! which of several tuples comes first, and maps and sets as values are ordered by it.
//!
//! Source: Murmur3 (x86, 32 bit), Appleby 2011, as `clojure.lang.Murmur3` and `clojure.lang.Util`
//! apply it; the hashes of Java's own classes as their documentation defines them.

use num_traits::{Signed, ToPrimitive};

use super::Value;

/// What `(hash value)` answers in Clojure. Tags and patterns, which Clojure hashes by identity,
/// go by their text.
pub fn clojure_hash(value: &Value) -> i32 {
    match value {
        Value::Nil => 0,
        Value::Bool(b) => {
            if *b {
                1231
            } else {
                1237
            }
        }
        Value::Long(n) => hash_long(*n),
        Value::Double(x) if *x == 0.0 => 0,
        Value::Double(x) => fold(x.to_bits()),
        Value::Float(x) if *x == 0.0 => 0,
        Value::Float(x) => x.to_bits() as i32,
        Value::BigInt(n) => n.to_i64().map_or_else(|| java_big(n), hash_long),
        Value::BigDec(d) => {
            let (digits, scale) = d.normalized().into_bigint_and_exponent();
            java_big(&digits)
                .wrapping_mul(31)
                .wrapping_add(scale as i32)
        }
        Value::Ratio(r) => java_big(r.numer()) ^ java_big(r.denom()),
        Value::Char(c) => u32::from(*c) as i32,
        Value::Str(text) => hash_int(java_string(text)),
        Value::Keyword(k) => hash_name(k.namespace(), k.name()).wrapping_add(GOLDEN),
        Value::Symbol(s) => hash_name(s.namespace(), s.name()),
        Value::Uuid(uuid) => {
            let (high, low) = uuid.as_u64_pair();
            fold(high ^ low)
        }
        Value::Instant(ms) => fold(*ms as u64),
        Value::Bytes(bytes) => ordered(bytes.iter().map(|b| i32::from(*b as i8))),
        Value::FloatArray(xs) => ordered(xs.iter().map(|x| x.to_bits() as i32)),
        Value::DoubleArray(xs) => ordered(xs.iter().map(|x| fold(x.to_bits()))),
        Value::List(items) | Value::Vector(items) => ordered(items.iter().map(clojure_hash)),
        Value::Set(items) => unordered(items.iter().map(clojure_hash)),
        Value::Map(entries) => unordered(
            entries
                .iter()
                .map(|(k, v)| ordered([k, v].into_iter().map(clojure_hash))),
        ),
        Value::Tagged(_) | Value::Regex(_) => hash_int(java_string(&format!("{value:?}"))),
    }
}

/// Where an element comes when a set of Clojure is walked: its trie goes by five bits of the hash
/// at a time, the lowest first.
pub fn set_position(hash: i32) -> u64 {
    let hash = hash as u32;
    (0..7).fold(0, |position, level| {
        (position << 5) | u64::from((hash >> (5 * level)) & 31)
    })
}

/// The hash of a vector or list from those of its items.
pub fn ordered(items: impl Iterator<Item = i32>) -> i32 {
    let (mut hash, mut count) = (1i32, 0);
    for item in items {
        hash = hash.wrapping_mul(31).wrapping_add(item);
        count += 1;
    }
    finish(mix(0, hash), count)
}

fn unordered(items: impl Iterator<Item = i32>) -> i32 {
    let (mut hash, mut count) = (0i32, 0);
    for item in items {
        hash = hash.wrapping_add(item);
        count += 1;
    }
    finish(mix(0, hash), count)
}

const GOLDEN: i32 = 0x9e37_79b9_u32 as i32;

fn hash_name(namespace: Option<&str>, name: &str) -> i32 {
    let seed = hash_chars(name);
    let hash = namespace.map_or(0, java_string);
    let mixed = hash
        .wrapping_add(GOLDEN)
        .wrapping_add(seed << 6)
        .wrapping_add(seed >> 2);
    seed ^ mixed
}

fn hash_int(n: i32) -> i32 {
    if n == 0 { 0 } else { finish(mix(0, n), 4) }
}

fn hash_long(n: i64) -> i32 {
    if n == 0 {
        0
    } else {
        finish(mix(mix(0, n as i32), (n >> 32) as i32), 8)
    }
}

/// Murmur3 over UTF-16 units, two at a time.
fn hash_chars(text: &str) -> i32 {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut hash = 0;
    for pair in units.chunks_exact(2) {
        hash = mix(hash, i32::from(pair[0]) | (i32::from(pair[1]) << 16));
    }
    if let [last] = units.chunks_exact(2).remainder() {
        hash ^= scramble(i32::from(*last));
    }
    finish(hash, 2 * units.len() as i32)
}

fn scramble(k: i32) -> i32 {
    let k = (k as u32).wrapping_mul(0xcc9e_2d51).rotate_left(15);
    k.wrapping_mul(0x1b87_3593) as i32
}

fn mix(hash: i32, k: i32) -> i32 {
    let hash = ((hash ^ scramble(k)) as u32).rotate_left(13);
    hash.wrapping_mul(5).wrapping_add(0xe654_6b64) as i32
}

fn finish(hash: i32, length: i32) -> i32 {
    let mut hash = (hash ^ length) as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as i32
}

fn fold(bits: u64) -> i32 {
    (bits ^ (bits >> 32)) as i32
}

fn java_string(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

fn java_big(n: &num_bigint::BigInt) -> i32 {
    let words = n.magnitude().to_u32_digits();
    let hash = words.iter().rev().fold(0i32, |hash, word| {
        hash.wrapping_mul(31).wrapping_add(*word as i32)
    });
    if n.is_negative() {
        hash.wrapping_neg()
    } else {
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    fn check(text: &str, expected: i32) {
        assert_eq!(clojure_hash(&edn::read(text).unwrap()), expected, "{text}");
    }

    #[test]
    fn hashes_are_those_of_clojure() {
        check("1", 1392991556);
        check("\"a\"", 1455541201);
        check(":a", -2123407586);
        check("[1 2 3]", 736442005);
        check(":a/b", 1482224565);
        check("a/b", -1172211204);
        check("1.5", 1073217536);
        check("1.5M", 466);
        check("-1.50M", -464);
        check("100M", 29);
        check("1/3", 2);
        check("123456789012345678901234567890N", 1915528825);
        check("#{1 2}", 460223544);
        check("{:a 1}", 1772842048);
        check("#uuid \"550e8400-e29b-41d4-a716-446655440000\"", 1170702770);
        check("#inst \"2020-01-01\"", 1583802735);
        check("true", 1231);
        check("\\a", 97);
        check("-7", -1703207563);
    }

    #[test]
    fn sets_are_walked_as_clojure_walks_them() {
        let mut names = ["Petr", "Ivan", "Sergey"].map(|name| Value::vector([Value::str(name)]));
        names.sort_by_key(|tuple| set_position(clojure_hash(tuple)));
        assert_eq!(names[0], Value::vector([Value::str("Ivan")]));
    }
}
