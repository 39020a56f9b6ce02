//! Builds and searches segments of rows in NumPy files, told what by lines on stdin: our side of `tests/peers/vectors`.
//!
//! ```text
//! rows PATH                                         the rows, f32 or f16
//! queries PATH                                      the queries
//! build ENGINE DISTANCE ENCODING M EF SEED THREADS  answers: CPU seconds, wall seconds, bytes
//! save PATH                                         writes the segment
//! open PATH                                         reads it again, first query included; answers: CPU ms, wall ms
//! verify                                            checks all; answers: CPU ms
//! filter PATH|-                                     the rows that may be found, one byte each
//! search K EF OUT                                   one thread; answers: CPU seconds, wall seconds; ids as i32 into OUT
//! ```
//!
//! Engines are `datalith` and, with the feature `hnsw-rs`, `datalith-by-hnsw_rs`, whose links the crate makes, and
//! `hnsw_rs`, the crate alone with its own distances: it is built and searched, and knows nothing of the other lines.

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
    peer: Option<Peer>,
}

/// The search of a graph that is no segment.
struct Peer {
    search: Search,
    queries: Vec<f32>,
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
            ["build", engine, distance, encoding, m, ef, seed, threads] => {
                let parameters = Parameters {
                    dim: self.rows.dim,
                    distance: distance_of(distance)?,
                    encoding: encoding_of(encoding)?,
                    m: m.parse()?,
                    ef_construction: ef.parse()?,
                    seed: seed.parse()?,
                };
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads.parse()?)
                    .build()?;
                (self.segment, self.peer) = (None, None);
                match *engine {
                    "hnsw_rs" => self.build_peer(&parameters, &pool),
                    name => self.build(builder_of(name)?, &parameters, &pool),
                }
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

    fn build(
        &mut self,
        build: Builder,
        parameters: &Parameters,
        pool: &rayon::ThreadPool,
    ) -> Result<String, Failure> {
        let count = self.rows.numbers.len() / self.rows.dim;
        let keys: Vec<Key> = (0..count as u64).map(|row| [0, row]).collect();
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

    fn build_peer(
        &mut self,
        parameters: &Parameters,
        pool: &rayon::ThreadPool,
    ) -> Result<String, Failure> {
        let rows = scaled(&self.rows, parameters.distance);
        let queries = scaled(&self.queries, parameters.distance);
        let clock = Clock::start();
        let search = peer(&rows, parameters, pool)?;
        let (cpu, wall) = clock.seconds();
        self.peer = Some(Peer { search, queries });
        Ok(format!("{cpu} {wall} 0"))
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
        if let Some(peer) = &self.peer {
            let queries = peer.queries.chunks_exact(self.queries.dim);
            let clock = Clock::start();
            let found: Vec<Vec<i32>> = queries.map(|query| (peer.search)(query, k, ef)).collect();
            let (cpu, wall) = clock.seconds();
            let ids = found.iter().flat_map(|ids| (0..k).map(|i| ids.get(i)));
            let bytes = ids.flat_map(|id| id.unwrap_or(&-1).to_le_bytes());
            fs::write(out, bytes.collect::<Vec<u8>>())?;
            return Ok(format!("{cpu} {wall}"));
        }
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

/// Rows of length one where the distance is that of angles.
fn scaled(rows: &Matrix, distance: Distance) -> Vec<f32> {
    let mut numbers = rows.numbers.clone();
    if distance == Distance::Cosine {
        for row in numbers.chunks_exact_mut(rows.dim) {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|x| *x /= norm.max(1e-30));
        }
    }
    numbers
}

type Builder = fn(
    &[f32],
    &[Key],
    &Parameters,
    &(dyn Fn(usize) -> ControlFlow<()> + Sync),
) -> datalith_vector::Result<Vec<u8>>;

fn builder_of(engine: &str) -> Result<Builder, Failure> {
    match engine {
        "datalith" => Ok(build),
        #[cfg(feature = "hnsw-rs")]
        "datalith-by-hnsw_rs" => Ok(datalith_vector::build_by_hnsw_rs),
        _ => Err(format!("no engine: {engine}").into()),
    }
}

/// Answers the nearest of a query, by `k` and `ef`.
type Search = Box<dyn Fn(&[f32], usize, usize) -> Vec<i32>>;

#[cfg(not(feature = "hnsw-rs"))]
fn peer(_: &[f32], _: &Parameters, _: &rayon::ThreadPool) -> Result<Search, Failure> {
    Err("built without the feature hnsw-rs".into())
}

/// The search of the graph that the crate hnsw_rs makes of rows.
#[cfg(feature = "hnsw-rs")]
fn peer(
    rows: &[f32],
    parameters: &Parameters,
    pool: &rayon::ThreadPool,
) -> Result<Search, Failure> {
    use hnsw_rs::anndists::dist::distances as theirs;

    fn linked<D>(
        rows: &[f32],
        parameters: &Parameters,
        pool: &rayon::ThreadPool,
        distance: D,
    ) -> Search
    where
        D: theirs::Distance<f32> + Send + Sync + 'static,
    {
        let given: Vec<(&[f32], usize)> = rows.chunks_exact(parameters.dim).zip(0..).collect();
        let (m, ef) = (parameters.m, parameters.ef_construction);
        let mut graph = hnsw_rs::hnsw::Hnsw::new(m, given.len(), 16, ef, distance);
        pool.install(|| graph.parallel_insert_slice(&given));
        graph.set_searching_mode(true);
        Box::new(move |query, k, ef| {
            let found = graph.search(query, k, ef);
            found.iter().map(|one| one.d_id as i32).collect()
        })
    }
    match parameters.distance {
        Distance::Euclidean => Ok(linked(rows, parameters, pool, theirs::DistL2)),
        Distance::Cosine => Ok(linked(rows, parameters, pool, theirs::DistDot)),
        Distance::InnerProduct => Err("hnsw_rs has no inner product".into()),
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
        "bf16" => Ok(Encoding::Bf16),
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
