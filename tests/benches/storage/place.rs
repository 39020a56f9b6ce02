//! Where the databases are: made once, found again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datalith_engine::conn::{Config, Conn, GcOptions, TxData, create_database};
use datalith_engine::{Result, Value};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::command::cpu_time;
use crate::crowd;
use crate::data::Suite;

/// People of one transaction.
const BATCH: i64 = 50_000;

/// A directory for databases and files.
pub(crate) struct Place {
    dir: PathBuf,
    /// Removes it at the end.
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    /// The directory that was named, or a new one.
    pub(crate) fn new(dir: Option<&Path>) -> Place {
        match dir {
            Some(dir) => {
                fs::create_dir_all(dir).expect("the directory can be made");
                Place {
                    dir: dir.to_owned(),
                    _temporary: None,
                }
            }
            None => {
                let temporary = tempfile::tempdir().expect("a temporary directory");
                Place {
                    dir: temporary.path().to_owned(),
                    _temporary: Some(temporary),
                }
            }
        }
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The path of a name at which there is nothing.
    pub(crate) fn fresh(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).expect("what is there can be removed");
        } else if path.exists() {
            fs::remove_file(&path).expect("what is there can be removed");
        }
        path
    }

    /// The database of a crowd of so many millions of datoms, all in segments; made if it is not
    /// there.
    pub(crate) fn crowd(&self, millions: i64) -> Result<PathBuf> {
        let path = self.path(&format!("crowd-{millions}"));
        let mark = self.path(&format!("crowd-{millions}.whole"));
        if mark.exists() {
            return Ok(path);
        }
        self.fresh(&format!("crowd-{millions}"));
        let (cpu, wall) = (cpu_time(), Instant::now());
        let conn = made(&path)?;
        conn.transact(&TxData::new(crowd::schema()))?;
        let people = people_of(millions);
        for first in (1..=people).step_by(BATCH as usize) {
            let batch = first..(first + BATCH).min(people + 1);
            let forms = batch.map(|id| crowd::person(id).form());
            conn.transact(&TxData::new(Value::vector(forms)))?;
        }
        finish(&conn)?;
        File::create(mark).expect("a file can be made");
        report_load(millions, cpu_time() - cpu, wall.elapsed());
        Ok(path)
    }

    /// What the disk needs to make one small file durable under a new name, in milliseconds: less
    /// than that no change of a branch can take.
    pub(crate) fn durable_ms(&self) -> f64 {
        let (from, to) = (self.path("durable.new"), self.path("durable"));
        let write = || -> std::io::Result<Duration> {
            let started = Instant::now();
            let mut file = File::create(&from)?;
            file.write_all(&[7; 512])?;
            file.sync_all()?;
            fs::rename(&from, &to)?;
            File::open(&self.dir)?.sync_all()?;
            Ok(started.elapsed())
        };
        let mut times: Vec<Duration> = (0..51).filter_map(|_| write().ok()).collect();
        times.sort();
        times
            .get(25)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }

    /// A new database of a suite, all in segments.
    pub(crate) fn suite(&self, name: &str, suite: &Suite) -> Result<(PathBuf, usize)> {
        let path = self.fresh(name);
        let conn = made(&path)?;
        let mut datoms = 0;
        for forms in suite.transactions_with_schema() {
            let report = conn.transact(&TxData::new(Value::vector(forms)))?;
            datoms += report.tx_data.len();
        }
        finish(&conn)?;
        Ok((path, datoms))
    }
}

/// Leaves all in segments and nothing else, and lets go.
pub(crate) fn finish(conn: &Conn) -> Result<()> {
    conn.gc_storage(GcOptions {
        min_age_ms: Some(0),
    })?;
    conn.release_all();
    Ok(())
}

fn report_load(millions: i64, cpu: Duration, wall: Duration) {
    println!(
        "made a database of {millions} M datoms: CPU {:.1} s, wall {:.1} s, this process at most {} MiB",
        cpu.as_secs_f64(),
        wall.as_secs_f64(),
        crate::command::peak_kib() / 1024
    );
}

/// How many people make so many millions of datoms.
pub(crate) fn people_of(millions: i64) -> i64 {
    millions * 1_000_000 / crowd::ATTRIBUTES
}

/// A new database.
pub(crate) fn made(path: &Path) -> Result<Conn> {
    let config = config(path)?;
    create_database(&config)?;
    Conn::connect(&config)
}

/// The configuration of a database in a directory.
pub(crate) fn config(path: &Path) -> Result<Config> {
    let store = Value::map([
        (Value::keyword("backend"), Value::keyword("file")),
        (Value::keyword("path"), Value::str(&path.to_string_lossy())),
    ]);
    Config::from_value(&Value::map([(Value::keyword("store"), store)]))
}

/// Bytes of all files under a path.
pub(crate) fn bytes_of(path: &Path) -> u64 {
    let mut bytes = 0;
    each_file(path, &mut |file| {
        bytes += fs::metadata(file).map_or(0, |metadata| metadata.len());
    });
    bytes
}

/// Asks the system to forget what it holds of the files under a path.
pub(crate) fn drop_cache(path: &Path) {
    each_file(path, &mut |path| {
        if let Ok(file) = File::open(path) {
            // What is not written back yet stays.
            let _ = file.sync_all();
            let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    });
}

fn each_file(path: &Path, take: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            each_file(&path, take);
        } else {
            take(&path);
        }
    }
}
