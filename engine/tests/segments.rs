//! Segments at their doors: what is written comes back, and a changed bit never passes for data.

use arrow_array::Array;
use std::sync::Arc;

use datalith_engine::index::{
    Cell, Chunk, Column, Digest, Extra, Kind, StoredLeaf, StoredValues, is_same_value,
};
use datalith_engine::segment::{
    ArchivedRecord, Places, SegmentKind, SegmentStamp, SegmentWriter, Segments, check,
    write_transactions, write_values,
};
use datalith_engine::store::{MemoryStorage, Storage};
use datalith_engine::value::stable_hash;
use datalith_engine::{Code, Result, Value};
use proptest::prelude::{any, proptest};
use uuid::Uuid;
use vectors::{ROWS_OF_VECTORS, search_near, write_graph};
use xxhash_rust::xxh3::xxh3_64;

mod vectors;

fn store() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::default())
}

/// Numbers without a pattern, the same every time.
fn noise(n: u64) -> u64 {
    xxh3_64(&n.to_le_bytes())
}

fn chunk(rows: u64, extra: Extra, v: impl Fn(u64) -> Cell) -> Chunk {
    let longs = |f: &dyn Fn(u64) -> i64| (0..rows).map(f).collect::<Vec<i64>>().into();
    Chunk {
        e: longs(&|row| 1000 + row as i64 / 3),
        v: Column::from_cells((0..rows).map(v)),
        tx: longs(&|row| (1 << 29) + (noise(row) % 50) as i64),
        extra: (extra != Extra::Nothing).then(|| longs(&|row| (row % 2) as i64)),
    }
}

fn cell(kind: Kind, bits: u64) -> Cell {
    Cell { kind, bits }
}

/// Leaves of every shape: kinds, sizes, palettes, decimals, mixed kinds.
fn leaves() -> Vec<(Chunk, Extra)> {
    let none = Extra::Nothing;
    vec![
        (chunk(1, none, |_| Cell::long(i64::MIN)), none),
        (chunk(8192, none, |row| Cell::long(row as i64 * 10)), none),
        (
            chunk(8193, Extra::End, |row| cell(Kind::Str, noise(row) % 9)),
            Extra::End,
        ),
        (
            chunk(2049, Extra::Added, |row| {
                cell(Kind::Double, (row as f64 / 4.0).to_bits())
            }),
            Extra::Added,
        ),
        (chunk(300, none, |row| cell(Kind::Double, noise(row))), none),
        (
            chunk(20_000, none, |row| match row % 3 {
                0 => Cell::long(-(row as i64)),
                1 => Cell::bool(true),
                _ => cell(Kind::Keyword, row / 100),
            }),
            none,
        ),
        (
            chunk(100, none, |_| cell(Kind::Instant, 1_700_000_000_000)),
            none,
        ),
    ]
}

/// Leaves by value: values and transactions nearly follow from entities that come in no order.
fn leaves_along_trends() -> Vec<(Chunk, Extra)> {
    let leaf = |rows: u64, extra: Extra, v: &dyn Fn(u64) -> Cell, tx: &dyn Fn(u64) -> u64| {
        let entity = |row: u64| 1000 + row * 7919 % rows * 2;
        let longs = |f: &dyn Fn(u64) -> u64| {
            let numbers = (0..rows).map(|row| f(entity(row)) as i64);
            numbers.collect::<Vec<i64>>().into()
        };
        let chunk = Chunk {
            e: longs(&|e| e),
            v: Column::from_cells((0..rows).map(|row| v(entity(row)))),
            tx: longs(tx),
            extra: (extra != Extra::Nothing).then(|| longs(&|e| (1 << 29) + 9 + e / 5000)),
        };
        (chunk, extra)
    };
    let string = |id: u64| cell(Kind::Str, id);
    vec![
        leaf(20_000, Extra::Nothing, &|e| string(3 * e + 5), &|e| {
            (1 << 29) + e / 4000
        }),
        leaf(9000, Extra::End, &|e| string(e / 2 + noise(e) % 90), &|e| {
            (1 << 29) + e / 3 + noise(e) % 5
        }),
        leaf(
            3000,
            Extra::Nothing,
            &|e| string(if e % 97 == 0 { noise(e) >> 32 } else { e }),
            &|_| 1 << 29,
        ),
        leaf(300, Extra::Nothing, &|e| Cell::long(-(e as i64)), &|e| e),
    ]
}

fn write_leaves(storage: &dyn Storage) -> Result<(SegmentStamp, Vec<(u32, u32)>)> {
    write_each(storage, &leaves())
}

fn write_each(
    storage: &dyn Storage,
    leaves: &[(Chunk, Extra)],
) -> Result<(SegmentStamp, Vec<(u32, u32)>)> {
    let mut writer = SegmentWriter::new(uuid::Uuid::nil());
    let places: Result<Vec<(u32, u32)>> = leaves
        .iter()
        .map(|(chunk, extra)| {
            // A leaf comes in pieces of any length.
            let cut = chunk.len() / 3;
            let pieces = [chunk.slice(0, cut), chunk.slice(cut, chunk.len() - cut)];
            writer.add_leaf(pieces.iter(), *extra)
        })
        .collect();
    Ok((writer.finish(storage)?, places?))
}

fn read_leaf(leaf: &dyn StoredLeaf) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for (at, fence) in leaf.fences()?.iter().enumerate() {
        let chunk = leaf.chunk(at)?;
        assert_eq!(chunk.len(), fence.rows as usize);
        assert_eq!((chunk.e[0], chunk.v.cell(0)), (fence.e, fence.v));
        rows.extend(rows_of(&chunk));
    }
    Ok(rows)
}

fn rows_of(chunk: &Chunk) -> impl Iterator<Item = String> {
    let has_extra = chunk.extra.is_some();
    (0..chunk.len()).map(move |at| format!("{:?} {has_extra}", chunk.row(at)))
}

#[test]
fn rows_come_back() {
    let storage = store();
    let (stamp, places) = write_leaves(storage.as_ref()).unwrap();
    check(&storage, &stamp).unwrap();
    let segments = Segments::new(storage);
    let mut next = 0;
    for ((chunk, _), (first, chunks)) in leaves().iter().zip(places) {
        assert_eq!(first, next);
        assert_eq!(chunks as usize, chunk.len().div_ceil(8192));
        next += chunks;
        let leaf = segments.leaf(&stamp, first, chunks);
        assert!(
            read_leaf(leaf.as_ref())
                .unwrap()
                .into_iter()
                .eq(rows_of(chunk))
        );
    }
    assert_eq!(
        stamp.rows,
        leaves()
            .iter()
            .map(|(chunk, _)| chunk.len() as u64)
            .sum::<u64>()
    );
}

#[test]
fn rows_along_trends_come_back_and_take_little_more_than_their_entities() {
    let storage = store();
    let (stamp, _) = write_each(storage.as_ref(), &leaves_along_trends()).unwrap();
    check(&storage, &stamp).unwrap();
    read_each(&storage, &stamp, &leaves_along_trends()).unwrap();
    let exact = &leaves_along_trends()[..1];
    let (stamp, _) = write_each(store().as_ref(), exact).unwrap();
    // Two bytes are the entity.
    assert!(stamp.bytes < 20_000 * 5 / 2, "{} bytes", stamp.bytes);
}

proptest! {
    #[test]
    fn any_columns_come_back(
        (shape, rows, seed) in (0u64..4, 200u64..2000, any::<u64>()),
        (slope, of, jump) in (-4i64..5, 1i64..9, 1i64..3000),
        (roughness, exceptions) in (0u64..300, 0u64..60),
    ) {
        let entity = |row: u64| match shape {
            0 => noise(seed ^ row) as i64,
            1 => (noise(seed ^ row) % 5000) as i64,
            2 => row as i64 * 3,
            _ => (seed as i64).wrapping_add((row * 7919 % rows) as i64),
        };
        let number = |e: i64, salt: u64| {
            let n = noise(e as u64 ^ salt);
            if exceptions > 0 && n % 100 < exceptions {
                return n as i64;
            }
            let line = e.wrapping_mul(slope).wrapping_div(of);
            line.wrapping_add((e / jump).wrapping_mul(77)).wrapping_add((n % (roughness + 1)) as i64)
        };
        let longs = |f: &dyn Fn(i64) -> i64| {
            (0..rows).map(|row| f(entity(row))).collect::<Vec<i64>>().into()
        };
        let chunk = Chunk {
            e: longs(&|e| e),
            v: Column::from_cells((0..rows).map(|row| Cell::long(number(entity(row), 1)))),
            tx: longs(&|e| number(e, 2)),
            extra: Some(longs(&|e| number(e, 3))),
        };
        let storage = store();
        let leaves = [(chunk, Extra::End)];
        let (stamp, _) = write_each(storage.as_ref(), &leaves).unwrap();
        read_each(&storage, &stamp, &leaves).unwrap();
    }
}

#[test]
fn same_rows_are_the_same_segment() {
    let storage = store();
    let first = write_leaves(storage.as_ref()).unwrap();
    assert_eq!(write_leaves(storage.as_ref()).unwrap(), first);
    assert_eq!(storage.list("segment/").unwrap(), [first.0.name()]);
}

/// Values of every form, many enough for several pages of values and of buckets.
fn values() -> Vec<Option<Value>> {
    let of = |n: u64| match n % 7 {
        0 => Value::keyword(&format!("kind/name-{n}")),
        1 => Value::symbol(&format!("?x{n}")),
        2 => Value::Uuid(Uuid::from_u128(u128::from(noise(n)))),
        3 => Value::Bytes(Arc::from(n.to_le_bytes())),
        4 => Value::vector([Value::Long(n as i64), Value::str("tuple")]),
        _ => Value::from(format!("žluťoučký text {n}")),
    };
    (0..9000).map(|n| (n % 1000 != 5).then(|| of(n))).collect()
}

fn write_run(storage: &dyn Storage) -> Result<SegmentStamp> {
    let values = values();
    let values = values.iter().map(Option::as_ref);
    write_values(storage, 77, values, &Places::default())
}

fn check_run(run: &dyn StoredValues) -> Result<()> {
    for (id, value) in (77..).zip(values()) {
        match value {
            Some(value) => {
                assert!(is_same_value(run.value(id)?, &value));
                check_text(run, id, &value)?;
                assert_eq!(run.find(stable_hash(&value), &value)?, Some(id));
            }
            None => match run.value(id) {
                Err(error) if error.code() == Code::Purged => {}
                other => {
                    other?;
                    panic!("value {id} was purged");
                }
            },
        }
    }
    Ok(())
}

/// Strings, keywords and symbols are texts, and nothing else is.
fn check_text(run: &dyn StoredValues, id: u32, value: &Value) -> Result<()> {
    let page = run.texts(id)?;
    let at = (id - page.start) as usize;
    let text = page.texts.is_valid(at).then(|| page.texts.value(at));
    let expected = match value {
        Value::Str(text) => Some(&**text),
        Value::Keyword(keyword) => Some(keyword.as_str()),
        Value::Symbol(symbol) => Some(symbol.as_str()),
        _ => None,
    };
    assert_eq!(text, expected);
    Ok(())
}

#[test]
fn values_come_back() {
    let storage = store();
    let stamp = write_run(storage.as_ref()).unwrap();
    check(&storage, &stamp).unwrap();
    let segments = Segments::new(storage);
    let run = segments.values(&stamp, 77, 9000);
    check_run(run.as_ref()).unwrap();
    for n in 0..5000 {
        let absent = Value::from(format!("absent {n}"));
        assert_eq!(run.find(stable_hash(&absent), &absent).unwrap(), None);
    }
    for id in [0, 76, 9077, u32::MAX] {
        assert_eq!(run.value(id).unwrap_err().code(), Code::CorruptSegment);
    }
    let other = segments.values(&stamp, 78, 9000);
    assert_eq!(other.value(78).unwrap_err().code(), Code::CorruptSegment);
}

#[test]
fn runs_of_no_and_few_values() {
    for len in 0..10u32 {
        let storage = store();
        let values: Vec<Value> = (0..len).map(|n| Value::from(format!("{n}"))).collect();
        let all = values.iter().map(Some);
        let stamp = write_values(storage.as_ref(), 0, all, &Places::default()).unwrap();
        check(&storage, &stamp).unwrap();
        let run = Segments::new(storage).values(&stamp, 0, len);
        for (id, value) in (0..).zip(&values) {
            assert_eq!(run.find(stable_hash(value), value).unwrap(), Some(id));
        }
        assert_eq!(run.find(7, &Value::str("absent")).unwrap(), None);
    }
}

fn records() -> Vec<ArchivedRecord> {
    (0..900)
        .map(|n| ArchivedRecord {
            t: 10 + n * 2,
            epoch: n / 100,
            commit: Uuid::from_u128(u128::from(noise(n)) << 64),
            flags: (n % 2) as u32,
            body: (0..n).map(|at| (at % 251) as u8).collect(),
        })
        .collect()
}

fn write_records(storage: &dyn Storage) -> Result<SegmentStamp> {
    write_transactions(storage, &mut records().into_iter().map(Ok))
}

#[test]
fn records_come_back_by_range() {
    let storage = store();
    let stamp = write_records(storage.as_ref()).unwrap();
    check(&storage, &stamp).unwrap();
    let transactions = Segments::new(storage).transactions(&stamp);
    for range in [
        0..u64::MAX,
        0..10,
        10..11,
        11..12,
        700..1500,
        1807..1809,
        1809..u64::MAX,
        9..9,
    ] {
        let got: Result<Vec<ArchivedRecord>> = transactions.range(range.clone()).collect();
        let expected = records()
            .into_iter()
            .filter(|record| range.contains(&record.t));
        assert!(got.unwrap().into_iter().eq(expected), "{range:?}");
    }
    let mut falling = records().into_iter().rev().map(Ok);
    assert!(write_transactions(&MemoryStorage::default(), &mut falling).is_err());
}

/// Reads all of a segment; what is read without an error is right.
fn read_all(storage: &Arc<dyn Storage>, stamp: &SegmentStamp) -> Result<()> {
    let segments = Segments::new(storage.clone());
    match stamp.kind {
        SegmentKind::Rows => read_each(storage, stamp, &leaves()),
        SegmentKind::Values => check_run(segments.values(stamp, 77, 9000).as_ref()),
        SegmentKind::Transactions => {
            let read: Result<Vec<_>> = segments.transactions(stamp).range(0..u64::MAX).collect();
            assert!(read? == records());
            Ok(())
        }
        SegmentKind::Vectors => {
            let found = search_near(storage, stamp, 7, ROWS_OF_VECTORS)?;
            assert_eq!(found.len(), ROWS_OF_VECTORS);
            assert_eq!(found[0], 7);
            Ok(())
        }
    }
}

fn read_each(
    storage: &Arc<dyn Storage>,
    stamp: &SegmentStamp,
    leaves: &[(Chunk, Extra)],
) -> Result<()> {
    let segments = Segments::new(storage.clone());
    let mut first = 0;
    for (chunk, _) in leaves {
        let chunks = chunk.len().div_ceil(8192) as u32;
        let rows = read_leaf(segments.leaf(stamp, first, chunks).as_ref())?;
        assert!(rows.into_iter().eq(rows_of(chunk)));
        first += chunks;
    }
    Ok(())
}

type Write = fn(&dyn Storage) -> Result<SegmentStamp>;

/// Every written segment, by what writes it.
fn each_kind() -> [Write; 4] {
    [
        |storage| write_leaves(storage).map(|(stamp, _)| stamp),
        write_run,
        write_records,
        write_graph,
    ]
}

#[test]
fn every_flipped_bit_is_found() {
    for write in each_kind() {
        let storage = store();
        let stamp = write(storage.as_ref()).unwrap();
        read_all(&storage, &stamp).unwrap();
        let file = stamp.name();
        let bytes = storage.read(&file, 0..u64::MAX).unwrap().unwrap();
        for sample in 0..60 {
            let at = match sample {
                0..4 => [0, 9, bytes.len() - 1, stamp.footer_at as usize][sample as usize],
                _ => (noise(sample) % bytes.len() as u64) as usize,
            };
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (sample % 8);
            storage.delete(&file).unwrap();
            storage.create(&file, &damaged).unwrap();
            let error = check(&storage, &stamp).unwrap_err();
            assert_eq!(error.code(), Code::CorruptSegment);
            let keys: Vec<&str> = error.data().iter().map(|(key, _)| *key).collect();
            assert_eq!(keys, ["file", "expected", "got"]);
            if sample < 12 {
                // Only the first bytes, which no read of ours touches, may differ unseen.
                let read = read_all(&storage, &stamp);
                let is_read = at >= 1024 || stamp.kind == SegmentKind::Vectors;
                assert!(read.is_err() || !is_read, "{:?} byte {at}", stamp.kind);
            }
        }
    }
}

#[test]
fn cut_and_missing_files_are_told() {
    for write in each_kind() {
        let storage = store();
        let stamp = write(storage.as_ref()).unwrap();
        let file = stamp.name();
        let bytes = storage.read(&file, 0..u64::MAX).unwrap().unwrap();
        storage.delete(&file).unwrap();
        for error in [check(&storage, &stamp), read_all(&storage, &stamp)] {
            assert_eq!(error.unwrap_err().code(), Code::MissingSegment);
        }
        for len in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            storage.create(&file, &bytes[..len]).unwrap();
            for error in [check(&storage, &stamp), read_all(&storage, &stamp)] {
                assert_eq!(error.unwrap_err().code(), Code::CorruptSegment);
            }
            storage.delete(&file).unwrap();
        }
    }
}

/// An enemy can make checksums too: whatever the footer says, the answer is an error or data.
#[test]
fn forged_footers_do_no_harm() {
    let along_trends: Write =
        |storage| write_each(storage, &leaves_along_trends()).map(|(stamp, _)| stamp);
    for write in each_kind().into_iter().chain([along_trends]) {
        let storage = store();
        let stamp = write(storage.as_ref()).unwrap();
        let file = stamp.name();
        let bytes = storage.read(&file, 0..u64::MAX).unwrap().unwrap();
        let footer = match stamp.kind {
            SegmentKind::Vectors => 0..4096,
            _ => stamp.footer_at as usize..bytes.len(),
        };
        for sample in 0..300 {
            let at = footer.start + (noise(sample) % footer.len() as u64) as usize;
            let mut forged = bytes.clone();
            // Letters of base64 stay letters: most forgeries then reach the directory.
            forged[at] = if forged[at].is_ascii_alphanumeric() {
                b'A' + (sample % 26) as u8
            } else {
                sample as u8
            };
            let stamp = SegmentStamp {
                footer_sum: xxh3_64(&forged[footer.clone()]),
                ..stamp
            };
            storage.delete(&file).unwrap();
            storage.create(&file, &forged).unwrap();
            touch(&storage, &stamp);
        }
    }
}

/// Reads some of a segment, whatever comes of it.
fn touch(storage: &Arc<dyn Storage>, stamp: &SegmentStamp) {
    let segments = Segments::new(storage.clone());
    match stamp.kind {
        SegmentKind::Rows => {
            let leaf = segments.leaf(stamp, 0, 8);
            let _ = leaf.fences();
            for at in 0..9 {
                let _ = leaf.chunk(at);
            }
        }
        SegmentKind::Values => {
            let run = segments.values(stamp, 77, 9000);
            for id in (0..9100).step_by(700) {
                let _ = run.value(id);
                let _ = run.find(noise(u64::from(id)), &Value::Nil);
            }
        }
        SegmentKind::Transactions => {
            let _ = segments.transactions(stamp).range(0..900).count();
        }
        SegmentKind::Vectors => {
            let _ = search_near(storage, stamp, 7, 10);
        }
    }
}

/// Segments that format 1 wrote are read for ever. `BLESS=1` writes them where they are not there.
#[test]
fn old_files_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/segment-1");
    let files = ["rows.arrow", "values.arrow", "transactions.arrow"];
    let kinds = [
        SegmentKind::Rows,
        SegmentKind::Values,
        SegmentKind::Transactions,
    ];
    let rows = [
        leaves().iter().map(|(chunk, _)| chunk.len()).sum(),
        9000,
        900,
    ];
    for (((file, kind), rows), write) in files.iter().zip(kinds).zip(rows).zip(each_kind()) {
        let path = folder.join(file);
        if std::env::var_os("BLESS").is_some() && !path.exists() {
            let storage = store();
            let stamp = write(storage.as_ref()).unwrap();
            let bytes = storage.read(&stamp.name(), 0..u64::MAX).unwrap().unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        let (storage, stamp) = stored(&path, kind, rows as u64);
        check(&storage, &stamp).unwrap();
        read_all(&storage, &stamp).unwrap();
    }
}

/// Segments of rows that format 2 wrote, with trends, likewise.
#[test]
fn old_files_with_trends_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/segment-2");
    let leaves = leaves_along_trends();
    let path = folder.join("rows.arrow");
    if std::env::var_os("BLESS").is_some() && !path.exists() {
        let storage = store();
        let (stamp, _) = write_each(storage.as_ref(), &leaves).unwrap();
        let bytes = storage.read(&stamp.name(), 0..u64::MAX).unwrap();
        std::fs::write(&path, bytes.unwrap()).unwrap();
    }
    let rows: usize = leaves.iter().map(|(chunk, _)| chunk.len()).sum();
    let (storage, stamp) = stored(&path, SegmentKind::Rows, rows as u64);
    check(&storage, &stamp).unwrap();
    read_each(&storage, &stamp, &leaves).unwrap();
}

/// A file in a store, with the stamp that a root would have of it.
fn stored(
    path: &std::path::Path,
    kind: SegmentKind,
    rows: u64,
) -> (Arc<dyn Storage>, SegmentStamp) {
    let bytes = std::fs::read(path).expect("the fixture is there");
    let (rest, trailer) = bytes
        .split_last_chunk::<10>()
        .expect("a fixture has an end");
    let footer_bytes = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
    let footer_at = rest.len() - footer_bytes as usize;
    let stamp = SegmentStamp {
        digest: Digest::of(&bytes),
        bytes: bytes.len() as u64,
        footer_at: footer_at as u64,
        footer_sum: xxh3_64(&bytes[footer_at..]),
        rows,
        kind,
    };
    let storage = store();
    storage
        .create(&stamp.name(), &bytes)
        .expect("memory takes it");
    (storage, stamp)
}
