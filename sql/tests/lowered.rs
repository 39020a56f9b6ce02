//! Datalog on DataFusion beside the naive evaluator and the engine: random programs over random data.
//!
//! Everything is seeded: a case is its number. `LOWERED_WORLDS` asks for more worlds, four programs each,
//! `LOWERED_SEED` begins elsewhere, and `LOWERED_TALLY` names a file to write the counts to. A case that
//! differs is made smaller and shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use datalith_engine::script::Allowance;
use datalith_engine::{Code, Error, Value};
use datalith_model::{
    Built, Outcome, Program, Random, World, build, compare, compare_with, inputs, program, read,
    shrink, world,
};
use datalith_sql::lower::{Joins, Lowered, Runner, lower, lower_in_rounds};
use datalith_sql::{Executor, ExecutorOptions};

/// Worlds per run, and programs asked of each.
const WORLDS: u64 = 75;
const PROGRAMS: usize = 4;
/// Of a hundred programs that engine and model answer, as many lower at least.
const LOWERED_PERCENT: usize = 40;

/// What became of cases, by what it is.
type Tally = BTreeMap<String, usize>;

#[test]
fn datafusion_agrees_with_the_model_and_the_engine() {
    let number = |name: &str, default| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (first, worlds) = (number("LOWERED_SEED", 0), number("LOWERED_WORLDS", WORLDS));
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8) as u64;
    let (mut tally, mut faults) = (Tally::new(), Vec::new());
    std::thread::scope(|scope| {
        let share = |lane| {
            scope.spawn(move || {
                let (executor, mut tally) = (executor(), Tally::new());
                let seeds = (first + lane..first + worlds).step_by(threads as usize);
                let faults = seeds.filter_map(|seed| run(seed, &executor, &mut tally));
                (faults.take(4).collect::<Vec<String>>(), tally)
            })
        };
        let lanes: Vec<_> = (0..threads).map(share).collect();
        for lane in lanes {
            let (found, counts) = lane.join().unwrap();
            faults.extend(found);
            for (what, count) in counts {
                *tally.entry(what).or_default() += count;
            }
        }
    });
    if let Ok(file) = std::env::var("LOWERED_TALLY") {
        std::fs::write(file, format!("{tally:#?}")).unwrap();
    }
    assert!(faults.is_empty(), "{tally:#?}\n\n{}", faults.join("\n\n"));
    let of = |what: &str| tally.get(what).copied().unwrap_or_default();
    let answered = of("all") - of("refused by all") - of("passed over");
    assert!(
        (of("agrees") + of("agrees in rounds")) * 100 >= answered * LOWERED_PERCENT,
        "few programs lower: {tally:#?}"
    );
    assert!(of("agrees in rounds") > 0, "{tally:#?}");
}

fn executor() -> Arc<Executor> {
    let options = ExecutorOptions {
        threads: Some(1),
        ..ExecutorOptions::default()
    };
    Executor::new(&options).expect("threads start")
}

/// One world and its programs; the first that differs, made smaller.
fn run(seed: u64, executor: &Executor, tally: &mut Tally) -> Option<String> {
    let mut random = Random(seed);
    let (made, attributes) = world(&mut random);
    let Ok(built) = build(&made) else {
        // The test of the engine is about these.
        return None;
    };
    for _ in 0..PROGRAMS {
        let program = program(&mut random, &attributes, made.keep_history);
        let mut count = |what: &str| *tally.entry(what.to_owned()).or_default() += 1;
        count("all");
        match judge(&built, &program, executor) {
            Verdict::Agrees(how) => count(how),
            Verdict::RefusedByAll => count("refused by all"),
            Verdict::PassedOver => count("passed over"),
            Verdict::NotLowered(why) => count(&format!("not lowered: {}", kind_of(&why))),
            Verdict::Differs(_) => return Some(report(seed, made, program, executor)),
        }
    }
    None
}

/// What three judges say.
enum Verdict {
    Agrees(&'static str),
    RefusedByAll,
    PassedOver,
    NotLowered(String),
    Differs(String),
}

fn judge(built: &Built, program: &Program, executor: &Executor) -> Verdict {
    let asked = match compare(built, program) {
        Outcome::Same(_) => None,
        Outcome::BothRefuse => Some(Verdict::RefusedByAll),
        Outcome::PassedOver => return Verdict::PassedOver,
        Outcome::Differ(why) => return Verdict::Differs(why),
    };
    let (how, lowered) = match lowered(built, program, executor) {
        Err(_) if asked.is_some() => return Verdict::RefusedByAll,
        Err(error) if error.code() == Code::Unsupported => {
            return Verdict::NotLowered(error.message().to_owned());
        }
        Err(error) => return Verdict::Differs(format!("not lowered: {}", error.message())),
        Ok(lowered) => lowered,
    };
    let allowance = Allowance::default();
    let runner = runner(executor, &allowance);
    let answer = match lowered.answer(runner) {
        Err(error) if error.code() == Code::Unsupported => {
            return Verdict::NotLowered(error.message().to_owned());
        }
        other => other,
    };
    // The model compares by rows: a choice that a query leaves may be made otherwise.
    let shown = || answer.map_err(|error| format!("{}\n{lowered}", error.message()));
    match compare_with(built, program, shown) {
        Outcome::Same(_) => Verdict::Agrees(how),
        Outcome::BothRefuse => Verdict::RefusedByAll,
        Outcome::PassedOver => Verdict::PassedOver,
        Outcome::Differ(why) => Verdict::Differs(format!("lowered, {why}\n{lowered}")),
    }
}

fn runner<'a>(executor: &'a Executor, allowance: &'a Allowance) -> Runner<'a> {
    Runner {
        executor,
        joins: Joins::Hashed,
        allowance,
    }
}

fn lowered(
    built: &Built,
    program: &Program,
    executor: &Executor,
) -> Result<(&'static str, Lowered), Error> {
    let inputs = inputs(built, program).map_err(|why| Error::new(Code::QueryInputs, why))?;
    let query: Value = read(&program.query());
    match lower(&query, &inputs) {
        Err(error) if error.message().contains("recursion is rounds") => {
            let allowance = Allowance::default();
            let lowered = lower_in_rounds(&query, &inputs, runner(executor, &allowance));
            lowered.map(|lowered| ("agrees in rounds", lowered))
        }
        lowered => lowered.map(|lowered| ("agrees", lowered)),
    }
}

/// A reason without what is particular to the case.
fn kind_of(why: &str) -> String {
    let end = why.find(" in clause: ").unwrap_or(why.len());
    let words = why[..end].split(' ').filter(|word| {
        let is_word = |c: char| c.is_alphabetic() || matches!(c, ',' | '-' | '\'' | ':');
        word.chars().all(is_word) && !word.starts_with(':')
    });
    words.collect::<Vec<_>>().join(" ")
}

fn report(seed: u64, mut world: World, program: Program, executor: &Executor) -> String {
    let difference = |world: &World, program: &Program| match build(world) {
        Err(_) => None,
        Ok(built) => match judge(&built, program, executor) {
            Verdict::Differs(why) => Some(why),
            _ => None,
        },
    };
    let mut program = Some(program);
    shrink(&mut world, &mut program, |world, program| {
        program.is_some_and(|program| difference(world, program).is_some())
    });
    let Some(program) = program else {
        return format!("seed {seed}");
    };
    let why = difference(&world, &program).unwrap_or_default();
    format!("seed {seed}\n{world}{program}{why}")
}
