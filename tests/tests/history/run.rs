//! Processes on one database, one that kills and stops them, and the history they leave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use datalith_engine::conn::{Config, Conn};
use datalith_engine::{Index, Value, datoms, edn};
use datalith_tests::clock::{now_ns, pause};
use datalith_tests::history::{Act, Line, Op, Outcome, read_line};
use datalith_tests::random::Random;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::check::{Anomaly, Left};

/// The numbers of one life of a process: more than it can use.
const NUMBERS_OF_A_LIFE: u64 = 1 << 32;
/// Clients of one life of a process.
const CLIENTS_OF_A_LIFE: u32 = 16;
/// A library that fakes the clock of a process, where it is installed.
const FAKE_CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Steps of that clock.
const CLOCK_STEPS: [&str; 4] = ["+0", "-2h", "+10y", "-30s"];

/// What one run left behind.
pub(super) struct Played {
    pub(super) ops: Vec<Op>,
    pub(super) left: Left,
    /// Processes that ended by themselves and answers that no operation may give.
    pub(super) anomalies: Vec<Anomaly>,
    pub(super) lives: u32,
}

struct Stage {
    path: PathBuf,
    origin_ns: u64,
    end: Instant,
    lives: AtomicU32,
    ops: Mutex<Vec<Op>>,
    anomalies: Mutex<Vec<Anomaly>>,
    /// The process of each place, while it lives.
    running: Vec<Mutex<Option<Pid>>>,
}

/// Runs a process of each role for so long, under a nemesis that `seed` decides.
pub(super) fn play(roles: &[&'static str], time: Duration, seed: u64) -> Played {
    let dir = tempfile::tempdir().expect("there is room for a folder");
    let stage = Stage {
        path: dir.path().join("db"),
        origin_ns: now_ns(),
        end: Instant::now() + time,
        lives: AtomicU32::new(0),
        ops: Mutex::default(),
        anomalies: Mutex::default(),
        running: roles.iter().map(|_| Mutex::default()).collect(),
    };
    std::thread::scope(|scope| {
        for (place, role) in roles.iter().enumerate() {
            let stage = &stage;
            scope.spawn(move || {
                while Instant::now() < stage.end {
                    stage.live(place, role);
                }
            });
        }
        stage.torment(Random::of(seed));
    });
    let mut anomalies = stage
        .anomalies
        .into_inner()
        .expect("no thread has panicked");
    let left = left(&stage.path, &mut anomalies);
    Played {
        ops: stage.ops.into_inner().expect("no thread has panicked"),
        left,
        anomalies,
        lives: stage.lives.into_inner(),
    }
}

impl Stage {
    /// One life of one process.
    fn live(&self, place: usize, role: &str) {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let mut child = self.start(role, life);
        *lock(&self.running[place]) = Some(pid(&child));
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut begun: HashMap<u32, (u64, Act)> = HashMap::new();
        let mut ops = Vec::new();
        let mut text = String::new();
        while out.read_line(&mut text).is_ok_and(|count| count > 0) {
            // A line without an end is what a killed process left of it.
            let line = text.strip_suffix('\n').and_then(read_line);
            match line {
                Some(Line::Start { thread, ns, act }) => {
                    begun.insert(thread, (ns, act));
                }
                Some(Line::End {
                    thread,
                    ns,
                    outcome,
                }) => {
                    let (start_ns, act) = begun.remove(&thread).expect("what ends has begun");
                    let op = Op {
                        process: life * CLIENTS_OF_A_LIFE + thread,
                        start_ns,
                        end_ns: Some(ns),
                        act,
                        outcome,
                    };
                    self.check_answer(&op);
                    ops.push(op);
                }
                None => {}
            }
            text.clear();
        }
        *lock(&self.running[place]) = None;
        let status = child.wait().expect("a child can be waited for");
        if status.code().is_some() {
            let what = format!("the {role} ended by itself: {status}");
            lock(&self.anomalies).push(Anomaly { kind: "died", what });
        }
        let cut = begun.into_iter().map(|(thread, (start_ns, act))| Op {
            process: life * CLIENTS_OF_A_LIFE + thread,
            start_ns,
            end_ns: None,
            act,
            outcome: Outcome::Unknown,
        });
        ops.extend(cut);
        lock(&self.ops).append(&mut ops);
    }

    fn start(&self, role: &str, life: u32) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_player"));
        command.arg(&self.path).arg(role);
        command.arg((u64::from(life + 1) * NUMBERS_OF_A_LIFE).to_string());
        command.arg(self.origin_ns.to_string());
        if Path::new(FAKE_CLOCK).exists() {
            let step = CLOCK_STEPS[life as usize % CLOCK_STEPS.len()];
            command.env("LD_PRELOAD", FAKE_CLOCK).env("FAKETIME", step);
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command.stdout(Stdio::piped());
        command.spawn().expect("the player starts")
    }

    /// Errors that no nemesis excuses.
    fn check_answer(&self, op: &Op) {
        if let Outcome::Fail(reason) = &op.outcome
            && reason.starts_with('!')
            && !reason.starts_with("!SnapshotExpired")
        {
            let what = format!("{:?}: {reason}", op.act);
            let kind = "error";
            lock(&self.anomalies).push(Anomaly { kind, what });
        }
    }

    /// Kills and stops processes until time is over, then kills all.
    fn torment(&self, mut random: Random) {
        while Instant::now() < self.end {
            pause(Duration::from_millis(random.below(700)));
            let place = random.below(self.running.len() as u64) as usize;
            match random.below(3) {
                0 => self.signal(place, Signal::SIGKILL),
                _ => {
                    self.signal(place, Signal::SIGSTOP);
                    pause(Duration::from_millis(random.below(900)));
                    self.signal(place, Signal::SIGCONT);
                }
            }
        }
        while self.running.iter().any(|child| lock(child).is_some()) {
            for place in 0..self.running.len() {
                self.signal(place, Signal::SIGKILL);
            }
            pause(Duration::from_millis(5));
        }
    }

    fn signal(&self, place: usize, signal: Signal) {
        // The lock is held: a process that ended is not waited for yet, so its id is still its own.
        if let Some(pid) = *lock(&self.running[place]) {
            kill(pid, signal).expect("a child can be signalled");
        }
    }
}

/// What is in the database after all is over, as a process that was not part of it sees it. Its
/// time never goes back, whatever the clocks of the writers did.
fn left(path: &Path, anomalies: &mut Vec<Anomaly>) -> Left {
    let config = format!("{{:store {{:backend :file :path {path:?}}}}}");
    let config = Config::from_value(&edn::read(&config).expect("EDN")).expect("a configuration");
    let conn = Conn::connect(&config).expect("the database opens");
    let db = conn.db().expect("the database is read");
    let all = datoms(&db, Index::Aevt, &[Value::keyword("op/n")]).expect("the numbers are there");
    let left = all
        .iter()
        .map(|datom| (datom.v.as_long().expect("a number"), datom.tx.0))
        .collect();
    let times = [Value::keyword("db/txInstant")];
    let mut times = datoms(&db, Index::Aevt, &times).expect("the times are there");
    times.sort_by_key(|datom| datom.tx.0);
    let backward = times
        .windows(2)
        .find(|two| instant(&two[1].v) < instant(&two[0].v));
    anomalies.extend(backward.map(|two| Anomaly {
        kind: "time went back",
        what: format!("{two:?}"),
    }));
    conn.release();
    left
}

fn instant(value: &Value) -> i64 {
    match value {
        Value::Instant(ms) => *ms,
        other => panic!("{other:?}"),
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
