//! Crash points: a fault at one operation, the power cut, recoveries that are cut short too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use datalith_engine::conn::{Config, Conn, create_database_at};
use datalith_engine::store::{Fault, SimStorage, Storage, Times};
use datalith_engine::transact::TxData;
use datalith_engine::{Code, edn};

use super::act::{Broken, Health, Stage, World, Wrap};
use super::world::{Late, SCHEMA};

/// Acts before the fault's consequences are looked at, and after each recovery.
const ACTS: usize = 10;
const ACTS_AFTER: usize = 4;
/// Threads that try points.
const THREADS: u64 = 3;
/// A point that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The faults of a point.
const FAULTS: [(Times, Fault); 10] = [
    (Times::Once, Fault::PowerCut),
    (Times::Once, Fault::Before(Code::Storage)),
    (Times::Forever, Fault::Before(Code::Storage)),
    (Times::Once, Fault::Partial(Code::StorageFull)),
    (Times::Forever, Fault::Partial(Code::StorageFull)),
    (Times::Once, Fault::After(Code::Storage)),
    (Times::Forever, Fault::After(Code::Storage)),
    (Times::Once, Fault::Delayed(Code::Storage)),
    (Times::Once, Fault::Refused),
    (Times::Once, Fault::Lie),
];

/// A kind of store to crash.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) make: fn(u64) -> SimStorage,
    pub(super) wrap: Wrap,
}

/// A store that holds a database with its schema, to be copied.
fn prepared(manner: Manner, config: &Config) -> SimStorage {
    let sim = Arc::new((manner.make)(0));
    let storage: Arc<dyn Storage> = sim.clone();
    create_database_at(&storage, config).expect("nothing fails yet");
    let conn = Conn::connect_at(storage, config).expect("nothing fails yet");
    let schema = TxData::new(edn::read(SCHEMA).expect("EDN"));
    conn.transact(&schema).expect("nothing fails yet");
    sim.crash()
}

/// One attempt: where which fault strikes which work.
#[derive(Clone, Copy, Debug)]
struct Point {
    seed: u64,
    operation: u64,
    times: Times,
    fault: Fault,
}

/// Tries at least `count` points, from `seed` on; gives how many.
pub(super) fn try_points(manner: Manner, seed: u64, count: u64) -> Result<u64, Broken> {
    let config = edn::read(
        "{:store {:backend :memory :id #uuid \"7a3ef0d1-6a86-4f1e-9d5f-1d9c3b1a2c55\"} :lock-timeout 0}",
    );
    let config = config
        .and_then(|config| Config::from_value(&config))
        .expect("a configuration");
    let base = prepared(manner, &config);
    let (next, done) = (AtomicU64::new(seed), AtomicU64::new(0));
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (base, config, next, done, sender) = (&base, &config, &next, &done, sender.clone());
            scope.spawn(move || {
                while done.load(Ordering::Relaxed) < count {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let tried = try_seed(manner, base, config, seed, &sender);
                    let failed = tried.is_err();
                    done.fetch_add(tried.as_ref().copied().unwrap_or(count), Ordering::Relaxed);
                    let _ = sender.send(Some(tried));
                    if failed {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut points = 0;
        loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok(Some(tried)) => points += tried?,
                Ok(None) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(points),
                // The scope would wait for it: end the process, with the cause.
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    eprintln!(
                        "a crash point hangs, near seed {}",
                        next.load(Ordering::Relaxed)
                    );
                    std::process::abort();
                }
            }
        }
    })
}

type Progress = mpsc::Sender<Option<Result<u64, Broken>>>;

/// Every fault at every operation of the work of one seed.
fn try_seed(
    manner: Manner,
    base: &SimStorage,
    config: &Config,
    seed: u64,
    progress: &Progress,
) -> Result<u64, Broken> {
    let sound = Point {
        seed,
        operation: u64::MAX,
        times: Times::Once,
        fault: Fault::PowerCut,
    };
    let sim = Arc::new(base.crash());
    let mut world = World::new(Late::Never);
    caught(|| work(manner, &sim, config, &mut world, Health::Sound, seed, ACTS))
        .map_err(|e| format!("{sound:?}, without a fault: {e}"))?;
    let operations = sim.operations();
    let mut points = 0;
    for operation in 0..operations {
        for (times, fault) in FAULTS {
            let point = Point {
                seed,
                operation,
                times,
                fault,
            };
            try_point(manner, base, config, point).map_err(|e| format!("{point:?}: {e}"))?;
            points += 1;
        }
        let _ = progress.send(None);
    }
    Ok(points)
}

fn caught(work: impl FnOnce() -> Result<(), Broken>) -> Result<(), Broken> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|cause| {
        let said = cause.downcast_ref::<String>().cloned();
        let said = said.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", said.unwrap_or_default()))
    })
}

fn try_point(
    manner: Manner,
    base: &SimStorage,
    config: &Config,
    point: Point,
) -> Result<(), Broken> {
    let late = match point.fault {
        Fault::Delayed(_) => Late::Comes,
        Fault::Before(_) | Fault::Partial(_) => Late::Goes,
        _ => Late::Never,
    };
    let mut world = World::new(late);
    let tried = caught(|| try_in(manner, base, config, point, &mut world));
    tried.map_err(|e| format!("{e}\n{}", world.story.join("\n")))
}

fn try_in(
    manner: Manner,
    base: &SimStorage,
    config: &Config,
    point: Point,
    world: &mut World,
) -> Result<(), Broken> {
    let Point {
        seed,
        operation,
        times,
        fault,
    } = point;
    let mut sim = Arc::new(base.crash());
    sim.fail_at(operation, times, fault);
    work(manner, &sim, config, world, Health::Faulty, seed, ACTS)?;
    if operation.is_multiple_of(2) {
        // Only the processes die where the fault left them; others go on.
        sim.heal();
        work(
            manner,
            &sim,
            config,
            world,
            Health::Faulty,
            seed + 1,
            ACTS_AFTER,
        )?;
    }
    for nested in 0..2 {
        world.story.push("crash".to_owned());
        sim = Arc::new(sim.crash());
        let cut = sim.operations() + (seed + operation + nested) % 9;
        sim.fail_at(cut, Times::Once, Fault::PowerCut);
        work(
            manner,
            &sim,
            config,
            world,
            Health::Faulty,
            seed + 2 + nested,
            ACTS_AFTER,
        )?;
    }
    sim = Arc::new(sim.crash());
    examine(manner, &sim, config, world)?;
    sim = Arc::new(sim.crash());
    examine(manner, &sim, config, world)?;
    let mut stage = Stage::new(
        Arc::clone(&sim),
        manner.wrap,
        config,
        world,
        Health::Sound,
        seed,
    );
    stage.write_on()?;
    sim = Arc::new(sim.crash());
    examine(manner, &sim, config, world)
}

fn work(
    manner: Manner,
    sim: &Arc<SimStorage>,
    config: &Config,
    world: &mut World,
    health: Health,
    seed: u64,
    acts: usize,
) -> Result<(), Broken> {
    let mut stage = Stage::new(Arc::clone(sim), manner.wrap, config, world, health, seed);
    for _ in 0..acts {
        stage.act()?;
    }
    stage.read_again()
}

fn examine(
    manner: Manner,
    sim: &Arc<SimStorage>,
    config: &Config,
    world: &mut World,
) -> Result<(), Broken> {
    Stage::new(
        Arc::clone(sim),
        manner.wrap,
        config,
        world,
        Health::Sound,
        0,
    )
    .examine()
}
