//! Files that are not what was written: cut, flipped, lost, exchanged, of a later format.

use std::sync::Arc;

use datalith_engine::conn::{GcOptions, VerifyOptions, verify_at};
use datalith_engine::store::{SimStorage, Storage};
use datalith_engine::{Code, Value};

use super::{NUMBERS, bytes, code, connect, filled, found, object, up_to, write};

/// Bytes of a sector of a log.
const SECTOR: usize = 512;
/// Bits that are flipped in one object.
const FLIPS: usize = 40;

/// The numbers that the checks of the whole store find nothing wrong with.
fn verified(storage: &Arc<SimStorage>) -> bool {
    let shared: Arc<dyn Storage> = storage.clone();
    verify_at(&shared, &VerifyOptions::default()).is_ok_and(|report| report.errors.is_empty())
}

/// A copy of a store in which one object is different.
fn with(storage: &SimStorage, name: &str, bytes: &[u8]) -> Arc<SimStorage> {
    let copy = storage.crash();
    copy.tamper(name, bytes);
    Arc::new(copy)
}

/// A store with nothing in it that nobody needs.
fn tidy() -> Arc<SimStorage> {
    let storage = filled(1);
    let conn = connect(&storage).expect("connected");
    conn.gc_storage(GcOptions::default()).expect("collected");
    write(&conn, NUMBERS + 1).expect("written");
    write(&conn, NUMBERS + 2).expect("written");
    storage
}

/// The log that is written to.
fn newest_log(storage: &SimStorage) -> String {
    let logs = storage.list("log/").expect("listed");
    let last = |name: &String| bytes(storage, name).len();
    logs.into_iter().max_by_key(last).expect("there is one")
}

/// The root of the main branch; another branch may have its own.
fn main_root(storage: &SimStorage) -> String {
    let reference = String::from_utf8(bytes(storage, "refs/db")).expect("a ref is text");
    let mut roots = storage.list("root/").expect("listed").into_iter();
    let root = roots.find(|name| {
        name.strip_prefix("root/")
            .is_some_and(|digest| reference.contains(digest))
    });
    root.expect("the ref names a root")
}

/// F3: a log that ends in the middle of its last record opens without it.
#[test]
fn a_torn_last_record_is_dropped() {
    let storage = tidy();
    let log = newest_log(&storage);
    let whole = bytes(&storage, &log);
    for cut in (whole.len() - SECTOR + 1)..whole.len() {
        let torn = with(&storage, &log, &whole[..cut]);
        assert_eq!(
            found(&torn).expect("it opens"),
            up_to(NUMBERS + 1),
            "cut at {cut}"
        );
    }
}

/// F4: damage with records behind it is never cut away.
#[test]
fn damage_in_the_middle_of_a_log_is_refused() {
    let storage = tidy();
    let log = newest_log(&storage);
    let mut whole = bytes(&storage, &log);
    whole[SECTOR + 100] ^= 1;
    let damaged = with(&storage, &log, &whole);
    let error = connect(&damaged).map(|_| ()).expect_err("damage");
    assert_eq!(error.code(), Code::CorruptLog);
    let offset = error.data().iter().find(|(key, _)| *key == "offset");
    assert_eq!(offset.map(|(_, at)| at.clone()), Some(Value::from(SECTOR)));
}

/// F9: a flipped bit in any file is noticed where it is read, and never passes for data.
#[test]
fn every_flipped_bit_is_noticed() {
    let storage = tidy();
    assert!(verified(&storage));
    let expected = found(&storage).expect("read");
    for name in storage.list("").expect("listed") {
        let whole = bytes(&storage, &name);
        let bits = whole.len() * 8;
        // A step without a factor of 8, so that every bit of a byte has its turn.
        let step = (bits / FLIPS).max(1) | 1;
        for bit in (0..bits).step_by(step) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let damaged = with(&storage, &name, &flipped);
            if let Ok(numbers) = found(&damaged) {
                assert_eq!(numbers, expected, "bit {bit} of {name} passed for data");
            }
            assert!(!verified(&damaged), "bit {bit} of {name} was not noticed");
        }
    }
}

/// F10: an object that is missing, empty or another's is named, and nothing is read without it.
#[test]
fn a_lost_or_exchanged_object_is_noticed() {
    let storage = tidy();
    let damaged = [
        Code::MissingSegment,
        Code::CorruptSegment,
        Code::CorruptLog,
        Code::DbDoesNotExist,
    ];
    let segments = storage.list("segment/").expect("listed");
    assert!(segments.len() > 1, "{segments:?}");
    for name in &segments {
        let lost = Arc::new(storage.crash());
        lost.delete(name).expect("deleted");
        assert!(!verified(&lost), "{name} is lost");
        assert!(damaged.contains(&code_or(found(&lost), Code::MissingSegment)));
        assert!(!verified(&with(&storage, name, b"")), "{name} is empty");
        let other = segments.iter().find(|other| *other != name).expect("two");
        let exchanged = with(&storage, name, &bytes(&storage, other));
        assert!(!verified(&exchanged), "{name} is {other}");
    }
    for prefix in ["root/", "log/", "database"] {
        let lost = Arc::new(storage.crash());
        let name = match prefix {
            "log/" => newest_log(&storage),
            "root/" => main_root(&storage),
            prefix => object(&storage, prefix),
        };
        lost.delete(&name).expect("deleted");
        assert!(damaged.contains(&code(found(&lost))), "{name}");
    }
}

/// The code of an error; what was not read may be whole.
fn code_or<T>(result: datalith_engine::Result<T>, fine: Code) -> Code {
    result.err().map_or(fine, |error| error.code())
}

/// F23: a file of a later format is told from a damaged one.
#[test]
fn a_later_format_is_named() {
    let storage = tidy();
    let log = newest_log(&storage);
    let mut whole = bytes(&storage, &log);
    whole[8] += 1;
    let sum = crc32fast::hash(&whole[..SECTOR - 4]);
    whole[SECTOR - 4..SECTOR].copy_from_slice(&sum.to_le_bytes());
    let later = with(&storage, &log, &whole);
    assert_eq!(code(connect(&later)), Code::FormatVersion);
}
