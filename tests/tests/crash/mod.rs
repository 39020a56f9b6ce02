//! A database on a store that fails at every operation in turn, and whose processes die after.
//!
//! Two processes work on branches of one database, fold it into segments and collect garbage: what
//! they were told, and what anybody saw once, must hold ever after. How many points are tried, and
//! from which seed on, is said by `DATALITH_CRASH_POINTS` and `DATALITH_CRASH_SEED`.

mod act;
mod point;
mod world;

use std::sync::Arc;

use datalith_engine::store::SimStorage;

use self::point::{Manner, try_points};

/// Points of one test, where nobody asks for more.
const POINTS: u64 = 500;

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
