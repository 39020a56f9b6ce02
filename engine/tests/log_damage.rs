//! A log cut at every byte, with every bit flipped, with sectors lost or exchanged: what comes back
//! is a prefix of whole records or a typed error, never something else.

use std::sync::Arc;

use datalith_engine::error::Code;
use datalith_engine::store::{
    Entry, Log, MemoryStorage, OnDamage, Origin, Recovery, SimStorage, Start, Storage,
};
use datalith_engine::{Error, Result};
use proptest::prelude::*;

const NAME: &str = "log/main";
const SECTOR: usize = 512;

/// The bytes of a log, and for each group where it ends and how many records stand before that.
type Sample = (Vec<u8>, Vec<(usize, usize)>);

/// A log of twenty records in groups of several sizes.
fn sample() -> Result<Sample> {
    let storage = Arc::new(MemoryStorage::default());
    let mut log = Log::create(storage.clone(), NAME, Origin::default())?;
    let lease = log.lease(0)?;
    let mut ends = vec![(SECTOR, 0)];
    let mut t = 0;
    for sizes in [
        &[0][..],
        &[10, 500],
        &[1400],
        &[1, 2, 3, 4, 5, 6, 7],
        &[40],
        &[300; 7],
        &[9],
    ] {
        let payloads: Vec<Vec<u8>> = sizes.iter().map(|size| vec![t as u8 + 1; *size]).collect();
        let entries: Vec<Entry<'_>> = (t + 1..)
            .zip(&payloads)
            .map(|(t, payload)| Entry { t, payload })
            .collect();
        log.append_group(&lease, &entries)?;
        t += sizes.len() as u64;
        ends.push((log.tip().end as usize, t as usize));
    }
    assert_eq!(t, 20);
    Ok((storage.read(NAME, 0..u64::MAX)?.unwrap_or_default(), ends))
}

fn storage_with(bytes: &[u8]) -> Arc<SimStorage> {
    let storage = Arc::new(SimStorage::seeded(0));
    storage.tamper(NAME, bytes);
    storage
}

type Opened = (Log, Recovery, Vec<(u64, Vec<u8>)>);

fn open(storage: &Arc<SimStorage>, on_damage: OnDamage) -> Result<Opened> {
    let mut records = Vec::new();
    let (log, recovery) = Log::open(
        storage.clone(),
        NAME,
        Start::First,
        on_damage,
        &mut |record| {
            assert!(record.is_genuine());
            records.push((record.t, record.payload.to_vec()));
            Ok(())
        },
    )?;
    Ok((log, recovery, records))
}

fn open_bytes(bytes: &[u8]) -> Result<Vec<(u64, Vec<u8>)>> {
    open(&storage_with(bytes), OnDamage::Refuse).map(|(_, _, records)| records)
}

#[test]
fn log_cut_at_any_byte_opens_with_the_groups_before_it() {
    let (bytes, ends) = sample().unwrap();
    let all = open_bytes(&bytes).unwrap();
    for cut in 0..SECTOR {
        assert_eq!(
            open_bytes(&bytes[..cut]).unwrap_err().code(),
            Code::CorruptLog
        );
    }
    for cut in SECTOR..=bytes.len() {
        let (end, count) = *ends.iter().rev().find(|(end, _)| *end <= cut).unwrap();
        let storage = storage_with(&bytes[..cut]);
        let (mut log, recovery, records) = open(&storage, OnDamage::Refuse).unwrap();
        assert_eq!(records, all[..count], "cut at {cut}");
        assert_eq!(recovery.torn_bytes, (cut - end) as u64);

        let lease = log.lease(0).unwrap();
        log.catch_up(&lease, &mut |_| panic!("nothing is new"))
            .unwrap();
        log.append_group(
            &lease,
            &[Entry {
                t: 99,
                payload: b"next",
            }],
        )
        .unwrap();
        let (_, recovery, records) = open(&storage, OnDamage::Refuse).unwrap();
        assert_eq!((records.len(), recovery.torn_bytes), (count + 1, 0));
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let (mut bytes, ends) = sample().unwrap();
    let all = open_bytes(&bytes).unwrap();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = open_bytes(&bytes).unwrap_err();
        assert_eq!(error.code(), Code::CorruptLog, "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for byte in (SECTOR..bytes.len()).step_by(97) {
        bytes[byte] ^= 0xff;
        let (_, recovery, records) = open(&storage_with(&bytes), OnDamage::ReadBefore).unwrap();
        let (_, count) = *ends.iter().rev().find(|(end, _)| *end <= byte).unwrap();
        assert_eq!(records, all[..count]);
        assert_eq!(
            recovery.damage.map(|e: Error| e.code()),
            Some(Code::CorruptLog)
        );
        bytes[byte] ^= 0xff;
    }
}

#[test]
fn lost_and_exchanged_sectors_are_found() {
    let (bytes, ends) = sample().unwrap();
    let all = open_bytes(&bytes).unwrap();
    let sectors = bytes.len() / SECTOR;
    let last_group = ends[ends.len() - 2].0 / SECTOR;
    for lost in 1..sectors {
        let mut changed = bytes.clone();
        changed[lost * SECTOR..][..SECTOR].fill(0);
        match open_bytes(&changed) {
            Ok(records) => {
                assert!(lost >= last_group, "sector {lost} of an older group");
                assert_eq!(records, all[..ends[ends.len() - 2].1]);
            }
            Err(error) => {
                assert!(lost < last_group, "an unfinished group is no damage");
                assert_eq!(error.code(), Code::CorruptLog);
            }
        }
        for other in 1..lost {
            let mut changed = bytes.clone();
            changed[other * SECTOR..][..SECTOR].copy_from_slice(&bytes[lost * SECTOR..][..SECTOR]);
            changed[lost * SECTOR..][..SECTOR].copy_from_slice(&bytes[other * SECTOR..][..SECTOR]);
            assert_eq!(open_bytes(&changed).unwrap_err().code(), Code::CorruptLog);
        }
    }
    let (foreign, _) = sample().unwrap();
    for sector in 1..sectors {
        let mut changed = bytes.clone();
        let place = sector * SECTOR..(sector + 1) * SECTOR;
        changed[place.clone()].copy_from_slice(&foreign[place]);
        assert_eq!(open_bytes(&changed).unwrap_err().code(), Code::CorruptLog);
    }
}

proptest! {
    /// Any bytes after a good start: an answer, whatever they are.
    #[test]
    fn garbage_is_never_a_record(
        garbage in prop::collection::vec(any::<u8>(), 1..2000),
        keep in 1_usize..8,
    ) {
        let (bytes, ends) = sample().unwrap();
        let (end, count) = ends[keep - 1];
        let mut changed = bytes[..end].to_vec();
        changed.extend(&garbage);
        if let Ok(records) = open_bytes(&changed) {
            prop_assert_eq!(records.len(), count);
            prop_assert!(garbage.iter().all(|byte| *byte == 0) || garbage.len() < SECTOR);
        }
    }
}
