//! Crash points: a fault at one operation, the power cut, recoveries that are cut short too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use datalith_engine::conn::{Config, Conn, create_database_at};
use datalith_engine::edn;
use datalith_engine::store::{Fault, Locks, SimStorage, Storage, Times};
use datalith_engine::transact::TxData;

use super::act::{Broken, Configs, Health, Stage, World, Wrap, configs};
use super::world::{Late, SCHEMA};

/// Acts before the fault's consequences are looked at, and after each recovery.
const ACTS: usize = 10;
const ACTS_AFTER: usize = 3;
/// Threads that try points.
const THREADS: u64 = 3;
/// A point that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is created: its locks are waited for by nobody, for nobody would give them up.
const CONFIG: &str = "{:store {:backend :memory :id #uuid \"7a3ef0d1-6a86-4f1e-9d5f-1d9c3b1a2c55\"}
                       :lock-timeout 0}";

/// A kind of store to crash.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) make: fn(u64) -> SimStorage,
    pub(super) wrap: Wrap,
}

/// One attempt: where which fault strikes which work.
#[derive(Clone, Copy, Debug)]
struct Point {
    seed: u64,
    operation: u64,
    times: Times,
    fault: Fault,
}

/// Tries `count` points, from `seed` on.
pub(super) fn try_points(manner: Manner, seed: u64, count: u64) -> Result<(), Broken> {
    let config = edn::read(CONFIG).and_then(|config| Config::from_value(&config));
    let config = config.expect("a configuration");
    let run = Run {
        manner,
        configs: configs(&config),
        config,
        next: AtomicU64::new(seed),
        left: AtomicU64::new(count),
    };
    let base = run.prepared();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (run, base, sender) = (&run, &base, sender.clone());
            scope.spawn(move || {
                let tell = |progress: Result<(), Broken>| sender.send(progress).is_ok();
                let tried = run.try_seeds(base, &tell);
                tell(tried)
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok(Ok(())) => {}
                Ok(Err(broken)) => {
                    run.left.store(0, Ordering::Relaxed);
                    return Err(broken);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                // The scope would wait for it: the process ends, with the cause.
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let seed = run.next.load(Ordering::Relaxed);
                    eprintln!("a crash point hangs, near seed {seed}");
                    std::process::abort();
                }
            }
        }
    })
}

/// One call of [`try_points`].
struct Run {
    manner: Manner,
    config: Config,
    configs: Configs,
    next: AtomicU64,
    left: AtomicU64,
}

impl Run {
    /// A store that holds a database with its schema, to be copied.
    fn prepared(&self) -> SimStorage {
        let sim = Arc::new((self.manner.make)(0));
        let storage: Arc<dyn Storage> = sim.clone();
        create_database_at(&storage, &self.config).expect("nothing fails yet");
        let conn = Conn::connect_at(storage, &self.config).expect("nothing fails yet");
        let schema = TxData::new(edn::read(SCHEMA).expect("EDN"));
        conn.transact(&schema).expect("nothing fails yet");
        sim.crash()
    }

    /// Every fault at every operation of the work of one seed after the other.
    fn try_seeds(
        &self,
        base: &SimStorage,
        tell: &dyn Fn(Result<(), Broken>) -> bool,
    ) -> Result<(), Broken> {
        while self.left.load(Ordering::Relaxed) > 0 {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            let operations = self.try_sound(base, seed)?;
            let points = (0..operations).flat_map(|at| Fault::EVERY.map(|fault| (at, fault)));
            for (operation, (times, fault)) in points {
                let left = |left: u64| left.checked_sub(1);
                if self
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
                    .is_err()
                {
                    break;
                }
                let point = Point {
                    seed,
                    operation,
                    times,
                    fault,
                };
                self.try_point(base, point)
                    .map_err(|e| format!("{point:?}: {e}"))?;
                tell(Ok(()));
            }
        }
        Ok(())
    }

    /// The work of a seed without a fault; gives its count of operations.
    fn try_sound(&self, base: &SimStorage, seed: u64) -> Result<u64, Broken> {
        let sim = Arc::new(base.crash());
        let mut world = World::new(Late::Never);
        let worked = caught(|| self.work(&sim, &mut world, Health::Sound, seed, ACTS));
        worked.map_err(|e| {
            format!(
                "seed {seed}, without a fault: {e}\n{}",
                world.story.join("\n")
            )
        })?;
        Ok(sim.operations())
    }

    fn try_point(&self, base: &SimStorage, point: Point) -> Result<(), Broken> {
        let late = match point.fault {
            // A disk puts nothing off.
            Fault::Delayed(_) if base.locks() == Locks::Hint => Late::Comes,
            Fault::Before(_) | Fault::Partial(_) | Fault::Delayed(_) => Late::Goes,
            _ => Late::Never,
        };
        let mut world = World::new(late);
        let tried = caught(|| self.try_in(base, point, &mut world));
        tried.map_err(|e| format!("{e}\n{}", world.story.join("\n")))
    }

    fn try_in(&self, base: &SimStorage, point: Point, world: &mut World) -> Result<(), Broken> {
        let Point {
            seed,
            operation,
            times,
            fault,
        } = point;
        let mut sim = Arc::new(base.crash());
        // Whichever thread tries it, it plays out the same.
        sim.reseed(seed << 20 | operation);
        sim.fail_at(operation, times, fault);
        self.work(&sim, world, Health::Faulty, seed, ACTS)?;
        if operation.is_multiple_of(2) {
            // Only the processes die where the fault left them; others go on.
            world.story.push("others go on".to_owned());
            sim.heal();
            self.work(&sim, world, Health::Faulty, seed + 1, ACTS_AFTER)?;
        }
        for nested in 0..2 {
            world.story.push("crash".to_owned());
            sim = Arc::new(sim.crash());
            let cut = (seed + operation + nested) % 9;
            sim.fail_at(cut, Times::Once, Fault::PowerCut);
            self.work(&sim, world, Health::Faulty, seed + 2 + nested, ACTS_AFTER)?;
        }
        for _ in 0..2 {
            world.story.push("crash, examination".to_owned());
            sim = Arc::new(sim.crash());
            self.stage(&sim, world, Health::Sound, seed).examine()?;
        }
        self.stage(&sim, world, Health::Sound, seed).write_on()
    }

    fn work(
        &self,
        sim: &Arc<SimStorage>,
        world: &mut World,
        health: Health,
        seed: u64,
        acts: usize,
    ) -> Result<(), Broken> {
        let mut stage = self.stage(sim, world, health, seed);
        for _ in 0..acts {
            stage.act()?;
        }
        stage.read_again()
    }

    fn stage<'w>(
        &'w self,
        sim: &Arc<SimStorage>,
        world: &'w mut World,
        health: Health,
        seed: u64,
    ) -> Stage<'w> {
        Stage::new(
            Arc::clone(sim),
            self.manner.wrap,
            &self.configs,
            world,
            health,
            seed,
        )
    }
}

fn caught(work: impl FnOnce() -> Result<(), Broken>) -> Result<(), Broken> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|cause| {
        let said = cause.downcast_ref::<String>().cloned();
        let said = said.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", said.unwrap_or_default()))
    })
}
