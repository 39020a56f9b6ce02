//! Builds and searches segments of rows in NumPy files, told what by lines on stdin: our side of `tests/peers/vectors`.
//!
//! ```text
//! rows PATH                                  the rows, f32 or f16
//! queries PATH                               the queries
//! build DISTANCE ENCODING M EF SEED THREADS  answers: CPU seconds, wall seconds, bytes
//! save PATH                                  writes the segment
//! open PATH                                  reads it again, first query included; answers: CPU ms, wall ms
//! verify                                     checks all; answers: CPU ms
//! filter PATH|-                              the rows that may be found, one byte each
//! search K EF OUT                            one thread; answers: CPU seconds, wall seconds; ids as i32 into OUT
//! ```

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use datalith_vector::{Ask, Bitmap, Distance, Encoding, Key, Parameters, Scratch, Segment, build};
use nix::time::{ClockId, clock_gettime};

type Failure = Box<dyn std::error::Error>;

/// Numbers of a matrix, row-major, and the length of a row.
#[derive(Default)]
struct Matrix {
    numbers: Vec<f32>,
    dim: usize,
}

/// Bytes that begin at a cache line, as those of a mapped file do.
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
}

impl Aligned {
    /// Reads all of `len` bytes.
    fn read(mut from: impl Read, len: usize) -> io::Result<Aligned> {
        let mut bytes = vec![0; len + 64];
        let start = bytes.as_ptr().align_offset(64);
        from.read_exact(&mut bytes[start..start + len])?;
        bytes.truncate(start + len);
        Ok(Aligned { bytes, start })
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// What the lines so far have made.
#[derive(Default)]
struct State {
    rows: Matrix,
    queries: Matrix,
    segment: Option<Segment<Aligned>>,
    filter: Option<Bitmap>,
    scratch: Scratch,
}

fn main() -> Result<(), Failure> {
    let mut state = State::default();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = state.obey(&words)?;
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

impl State {
    fn obey(&mut self, words: &[&str]) -> Result<String, Failure> {
        match words {
            ["rows", path] => {
                self.rows = matrix(path)?;
                Ok(format!("{} {}", self.rows.numbers.len(), self.rows.dim))
            }
            ["queries", path] => {
                self.queries = matrix(path)?;
                Ok(format!(
                    "{} {}",
                    self.queries.numbers.len(),
                    self.queries.dim
                ))
            }
            ["build", distance, encoding, m, ef, seed, threads] => {
                let parameters = Parameters {
                    dim: self.rows.dim,
                    distance: distance_of(distance)?,
                    encoding: encoding_of(encoding)?,
                    m: m.parse()?,
                    ef_construction: ef.parse()?,
                    seed: seed.parse()?,
                };
                self.build(&parameters, threads.parse()?)
            }
            ["save", path] => {
                let segment = self.segment.as_ref().ok_or("no segment")?;
                fs::write(path, segment.bytes().as_ref())?;
                Ok(String::new())
            }
            ["open", path] => {
                let clock = Clock::start();
                let segment = Segment::open(Aligned::read(
                    fs::File::open(path)?,
                    fs::metadata(path)?.len() as usize,
                )?)?;
                let query = &self.queries.numbers[..self.queries.dim];
                segment.search(query, &Ask::nearest(10), &mut self.scratch)?;
                self.segment = Some(segment);
                let (cpu, wall) = clock.seconds();
                Ok(format!("{} {}", 1e3 * cpu, 1e3 * wall))
            }
            ["verify"] => {
                let clock = Clock::start();
                self.segment.as_ref().ok_or("no segment")?.verify()?;
                Ok(format!("{}", 1e3 * clock.seconds().0))
            }
            ["filter", path] => self.filter(path),
            ["search", k, ef, out] => self.search(k.parse()?, ef.parse()?, out),
            _ => Err(format!("not understood: {words:?}").into()),
        }
    }

    fn build(&mut self, parameters: &Parameters, threads: usize) -> Result<String, Failure> {
        let count = self.rows.numbers.len() / self.rows.dim;
        let keys: Vec<Key> = (0..count as u64).map(|row| [0, row]).collect();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()?;
        let clock = Clock::start();
        let go_on = |_| ControlFlow::Continue(());
        let bytes = pool.install(|| build(&self.rows.numbers, &keys, parameters, &go_on))?;
        let (cpu, wall) = clock.seconds();
        let size = bytes.len();
        let segment = Segment::open(Aligned::read(bytes.as_slice(), size)?)?;
        segment.verify()?;
        self.segment = Some(segment);
        Ok(format!("{cpu} {wall} {size}"))
    }

    fn filter(&mut self, path: &str) -> Result<String, Failure> {
        self.filter = None;
        if path == "-" {
            return Ok("0".to_string());
        }
        let segment = self.segment.as_ref().ok_or("no segment")?;
        let kept = fs::read(path)?;
        let mut filter = Bitmap::empty(segment.len());
        for (key, row) in segment.by_key()? {
            if kept.get(key[1] as usize).is_some_and(|byte| *byte != 0) {
                filter.insert(row);
            }
        }
        let count = filter.count();
        self.filter = Some(filter);
        Ok(count.to_string())
    }

    fn search(&mut self, k: usize, ef: usize, out: &str) -> Result<String, Failure> {
        let segment = self.segment.as_ref().ok_or("no segment")?;
        let ask = Ask {
            k,
            ef,
            filter: self.filter.as_ref(),
        };
        let mut found = Vec::new();
        let clock = Clock::start();
        for query in self.queries.numbers.chunks_exact(self.queries.dim) {
            found.push(segment.search(query, &ask, &mut self.scratch)?);
        }
        let (cpu, wall) = clock.seconds();
        let mut ids = Vec::new();
        for nearest in found {
            for i in 0..k {
                let id = match nearest.get(i) {
                    Some(one) => segment.key(one.row)?[1] as i32,
                    None => -1,
                };
                ids.extend(id.to_le_bytes());
            }
        }
        fs::write(out, ids)?;
        Ok(format!("{cpu} {wall}"))
    }
}

/// CPU time of the process and time of the wall.
struct Clock {
    cpu: f64,
    wall: Instant,
}

impl Clock {
    fn start() -> Clock {
        Clock {
            cpu: cpu_seconds(),
            wall: Instant::now(),
        }
    }

    fn seconds(&self) -> (f64, f64) {
        (cpu_seconds() - self.cpu, self.wall.elapsed().as_secs_f64())
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(0.0, |time| {
        time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
    })
}

fn distance_of(name: &str) -> Result<Distance, Failure> {
    match name {
        "l2" => Ok(Distance::Euclidean),
        "cosine" => Ok(Distance::Cosine),
        "ip" => Ok(Distance::InnerProduct),
        _ => Err(format!("no distance: {name}").into()),
    }
}

fn encoding_of(name: &str) -> Result<Encoding, Failure> {
    match name {
        "f32" => Ok(Encoding::F32),
        "f16" => Ok(Encoding::F16),
        "int8" => Ok(Encoding::Int8),
        _ => Err(format!("no encoding: {name}").into()),
    }
}

/// Reads a NumPy file of format 1 with rows of f32 or f16.
fn matrix(path: &str) -> Result<Matrix, Failure> {
    let bytes = fs::read(path)?;
    let length = |at: usize| {
        bytes
            .get(at)
            .map(|byte| usize::from(*byte))
            .ok_or("short file")
    };
    let start = 10 + length(8)? + 256 * length(9)?;
    let header = String::from_utf8_lossy(bytes.get(10..start).ok_or("short file")?).into_owned();
    let shape = header
        .split('(')
        .nth(1)
        .and_then(|rest| rest.split(')').next());
    let dim = shape
        .and_then(|shape| shape.split(',').nth(1))
        .ok_or("no matrix")?;
    let dim = dim.trim().parse()?;
    let content = &bytes[start..];
    let numbers = if header.contains("<f4") {
        content
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    } else if header.contains("<f2") {
        content
            .chunks_exact(2)
            .map(|b| half(u16::from_le_bytes([b[0], b[1]])))
            .collect()
    } else {
        return Err(format!("neither f4 nor f2: {header}").into());
    };
    Ok(Matrix { numbers, dim })
}

/// The number that the bits of a finite half stand for.
fn half(bits: u16) -> f32 {
    let size = match bits & 0x7fff {
        rest @ 0..0x400 => f32::from(rest) / 16_777_216.0,
        rest => f32::from_bits((u32::from(rest) << 13) + (112 << 23)),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}
