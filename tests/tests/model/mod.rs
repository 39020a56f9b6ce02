//! A naive evaluator and the engine answer random programs over random data alike.
//!
//! Everything is seeded: a case is its number. `MODEL_CASES` asks for more cases, `MODEL_SEED`
//! begins elsewhere; a case that differs is made smaller and printed, to be kept in `found`.

mod found;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use datalith_engine::Value;
use datalith_engine::exec::QueryOptions;
use datalith_model::{
    Built, Outcome, Program, Random, World, ask, ask_with, build, check_access, check_datoms,
    compare, program, shrink, world,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Worlds per run, and programs asked of each.
const WORLDS: u64 = 2_500;
const PROGRAMS: usize = 4;

/// Every so many worlds, all access paths and thread counts are compared as well.
const THOROUGH_EVERY: u64 = 10;

#[test]
fn the_engine_agrees_with_the_model() {
    let number = |name: &str, default| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (first, worlds) = (number("MODEL_SEED", 0), number("MODEL_WORLDS", WORLDS));
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8) as u64;
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    std::thread::scope(|scope| {
        let share = |lane| {
            scope.spawn(move || {
                let mut lane_tally = BTreeMap::new();
                let seeds = (first + lane..first + worlds).step_by(threads as usize);
                let faults: Vec<String> = seeds
                    .filter_map(|seed| run(seed, &mut lane_tally))
                    .take(8)
                    .collect();
                (lane_tally, faults)
            })
        };
        let lanes: Vec<_> = (0..threads).map(share).collect();
        for lane in lanes {
            let (counts, found) = lane.join().unwrap();
            faults.extend(found);
            for (what, count) in counts {
                *tally.entry(what).or_default() += count;
            }
        }
    });
    assert!(faults.is_empty(), "{tally:?}\n\n{}", faults.join("\n\n"));
    // A generator whose programs say nothing would agree about nothing.
    let total: usize = tally.values().sum();
    assert!(
        tally["rows"] * 4 > total,
        "few programs find anything: {tally:?}"
    );
    assert!(
        tally
            .get("passed over")
            .is_none_or(|cases| cases * 50 < total),
        "{tally:?}"
    );
}

/// One world and its programs; the first that differs, made smaller.
fn run(seed: u64, tally: &mut BTreeMap<&'static str, usize>) -> Option<String> {
    let mut random = Random(seed);
    let (world, attributes) = world(&mut random);
    let built = match build(&world).and_then(|built| check_datoms(&built).map(|()| built)) {
        Ok(built) => built,
        Err(_) => return Some(report(seed, world, None)),
    };
    for _ in 0..PROGRAMS {
        let program = program(&mut random, &attributes, world.keep_history);
        let what = match compare(&built, &program) {
            Outcome::Same(0) => "empty",
            Outcome::Same(_) => "rows",
            Outcome::BothRefuse => "refused",
            Outcome::PassedOver => "passed over",
            Outcome::Differ(_) => return Some(report(seed, world, Some(program))),
        };
        *tally.entry(what).or_default() += 1;
        if seed.is_multiple_of(THOROUGH_EVERY)
            && let Err(why) =
                check_access(&built, &program).and_then(|()| check_threads(&built, &program))
        {
            return Some(format!("seed {seed}: {why}\n{world}{program}"));
        }
    }
    None
}

/// The same answer, rows in the same order, whatever the number of threads. However few rows each of
/// them takes, the rows are the same; with few a join may go another way and list them otherwise, so
/// that `:limit` takes others.
fn check_threads(built: &Built, program: &Program) -> Result<(), String> {
    let one_row = QueryOptions {
        task_rows: Some(1),
        ..QueryOptions::default()
    };
    let alone = ask(built, program);
    let mut of_one_row = Vec::new();
    for pool in pools() {
        let threads = pool.current_num_threads();
        let answer = |options: &QueryOptions| pool.install(|| ask_with(built, program, options));
        let whole = answer(&QueryOptions::default());
        let few = answer(&one_row);
        let is_part = program.to_string().contains(":limit");
        let is_same = is_part || sorted(&few) == sorted(&alone);
        if format!("{whole:?}") != format!("{alone:?}") || !is_same {
            return Err(format!(
                "{threads} threads: {whole:?}, a row at a time: {few:?}, alone: {alone:?}"
            ));
        }
        of_one_row.push(format!("{few:?}"));
    }
    match of_one_row.windows(2).find(|pair| pair[0] != pair[1]) {
        Some(pair) => Err(format!("a row at a time: {} and {}", pair[0], pair[1])),
        None => Ok(()),
    }
}

/// An answer as text, rows in an order of their own.
fn sorted(answer: &Result<Value, String>) -> String {
    match answer {
        Ok(Value::Vector(rows)) => {
            let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
            rows.sort();
            rows.join(" ")
        }
        other => format!("{other:?}"),
    }
}

/// 1 and 8 threads.
fn pools() -> &'static [ThreadPool; 2] {
    static POOLS: OnceLock<[ThreadPool; 2]> = OnceLock::new();
    POOLS.get_or_init(|| {
        [1, 8].map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads);
            pool.build().expect("threads start")
        })
    })
}

/// What differs for a case, if anything.
fn difference(world: &World, program: Option<&Program>) -> Option<String> {
    let built = match build(world) {
        Ok(built) => built,
        Err(why) => return program.is_none().then_some(why),
    };
    let Some(program) = program else {
        return check_datoms(&built).err();
    };
    match compare(&built, program) {
        Outcome::Differ(why) => Some(why),
        _ => None,
    }
}

fn report(seed: u64, mut world: World, mut program: Option<Program>) -> String {
    shrink(&mut world, &mut program, |world, program| {
        difference(world, program).is_some()
    });
    let why = difference(&world, program.as_ref()).unwrap_or_default();
    let program = program
        .map(|program| program.to_string())
        .unwrap_or_default();
    format!("seed {seed}\n{world}{program}{why}")
}
