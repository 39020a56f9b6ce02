//! A database on a store that fails at every operation in turn, and whose processes die after.
//!
//! Two processes work on branches of one database, fold it into segments and collect garbage: what
//! they were told, and what anybody saw once, must hold ever after. How many points are tried, and
//! from which seed on, is said by `DATALITH_CRASH_POINTS` and `DATALITH_CRASH_SEED`.

mod act;
mod collect;
mod examine;
mod meddle;
mod pass_on;
mod point;
mod race;
mod world;

use std::sync::Arc;

use datalith_engine::store::SimStorage;

use self::meddle::{Meddled, Mutation};
use self::point::{Manner, try_points};
use self::race::race;

/// Points of one test, where nobody asks for more.
const POINTS: u64 = 5_000;

const FILE: Manner = Manner {
    make: SimStorage::seeded,
    wrap: |sim: Arc<SimStorage>| sim,
};
const OBJECT: Manner = Manner {
    make: SimStorage::objects,
    ..FILE
};

fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn holds(manner: Manner) {
    let count = given("DATALITH_CRASH_POINTS").unwrap_or(POINTS);
    let seed = given("DATALITH_CRASH_SEED").unwrap_or(1);
    if let Err(broken) = try_points(manner, seed, count) {
        panic!("{broken}");
    }
}

#[test]
fn promises_hold_at_every_crash_point_of_a_disk() {
    holds(FILE);
}

#[test]
fn promises_hold_at_every_crash_point_of_a_store_of_objects() {
    holds(OBJECT);
}

#[test]
fn promises_hold_wherever_two_processes_meet_without_locks() {
    match race(|sim| sim) {
        Ok(races) => assert!(races > 20, "{races}"),
        Err(broken) => panic!("{broken}"),
    }
}

/// Most points until a broken step must be noticed: a crash test that a broken database passes tests
/// nothing.
const POINTS_TO_NOTICE: u64 = 3_000;

fn is_noticed(make: fn(u64) -> SimStorage, wrap: act::Wrap) {
    let tried = try_points(Manner { make, wrap }, 1, POINTS_TO_NOTICE);
    tried.expect_err("a broken promise");
}

#[test]
fn a_missing_sync_is_noticed() {
    let careless = |seed| {
        let sim = SimStorage::seeded(seed);
        sim.ignore_syncs();
        sim
    };
    is_noticed(careless, FILE.wrap);
}

#[test]
fn a_head_before_its_segments_is_noticed() {
    is_noticed(SimStorage::seeded, |sim| {
        Meddled::with(Mutation::HeadFirst, sim)
    });
}

#[test]
fn a_skipped_checksum_is_noticed() {
    is_noticed(SimStorage::seeded, |sim| {
        Meddled::with(Mutation::NoChecksum, sim)
    });
}

#[test]
fn a_collection_that_spares_nothing_is_noticed() {
    is_noticed(SimStorage::seeded, |sim| {
        Meddled::with(Mutation::NoPins, sim)
    });
}

#[test]
fn a_missing_fence_is_noticed() {
    let raced = race(|sim| Meddled::with(Mutation::NoFence, sim));
    raced.expect_err("a broken promise");
}
