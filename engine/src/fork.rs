//! Work on many rows, split among the threads of the pool it is called in.
//!
//! Tasks take consecutive rows and their results come in that order, so an answer does not depend on
//! how many threads there are. Little work is done at once where it is called: waking another
//! thread costs as much as some ten thousand rows.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Code, Error, Result};

/// Rows of one task.
pub(crate) const TASK_ROWS: usize = 65_536;

/// Most tasks that each pass over all rows: beyond it, passing over them outweighs what is shared.
const TASKS_MAX: usize = 8;

/// Rows of which a few columns fit into the cache of a core.
const MORSEL_ROWS: usize = 8_192;

thread_local! {
    /// Rows of one task in the work that this thread leads.
    static ROWS: Cell<usize> = const { Cell::new(TASK_ROWS) };
}

/// Does work on a pool of so many threads, or of one for each core, in tasks of so many rows.
///
/// Errors: [`Code::Limit`] if threads cannot start.
pub(crate) fn on_threads<T: Send>(
    threads: Option<usize>,
    task_rows: Option<usize>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let work = || {
        let rows = task_rows.map_or(TASK_ROWS, |rows| rows.max(1));
        let before = ROWS.replace(rows);
        let _restored = Restore(before);
        work()
    };
    match threads {
        Some(threads) => pool(threads)?.install(work),
        None => work(),
    }
}

/// Puts the number of rows back, however the work ends.
struct Restore(usize);

impl Drop for Restore {
    fn drop(&mut self) {
        ROWS.set(self.0);
    }
}

/// The pool of so many threads, started when it is first asked for and kept.
fn pool(threads: usize) -> Result<Arc<ThreadPool>> {
    static POOLS: Mutex<BTreeMap<usize, Arc<ThreadPool>>> = Mutex::new(BTreeMap::new());
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&threads) {
        return Ok(Arc::clone(pool));
    }
    let started = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|n| format!("datalith-{n}"))
        .build()
        .map_err(|cause| {
            let message = format!("threads for queries could not start: {cause}");
            Error::new(Code::Limit, message)
        })?;
    let pool = pools.entry(threads).or_insert(Arc::new(started));
    Ok(Arc::clone(pool))
}

/// Whether so many rows would be split if there were threads.
pub(crate) fn is_many(rows: usize) -> bool {
    rows >= 2 * ROWS.get()
}

/// Rows that go through several steps together.
pub(crate) fn morsel_rows() -> usize {
    MORSEL_ROWS.min(ROWS.get())
}

/// Whether so many rows are split.
pub(crate) fn is_worth(rows: usize) -> bool {
    is_many(rows) && rayon::current_num_threads() > 1
}

/// How many tasks work that passes over all rows in each of them is split into.
pub(crate) fn tasks(rows: usize) -> usize {
    if is_worth(rows) {
        let tasks = rayon::current_num_threads().min(rows / ROWS.get());
        tasks.clamp(1, TASKS_MAX)
    } else {
        1
    }
}

/// The results of a task for all rows, a part at a time, in the order of the rows.
pub(crate) fn split<T: Send>(rows: usize, task: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    if !is_worth(rows) {
        return vec![task(0..rows)];
    }
    in_shares(rows, ROWS.get(), task)
}

/// The results of a task for all rows, one part for each thread, in the order of the rows: for work
/// that begins with something of its own.
pub(crate) fn shares<T: Send>(rows: usize, task: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    if !is_worth(rows) {
        return vec![task(0..rows)];
    }
    let share = rows.div_ceil(rayon::current_num_threads());
    in_shares(rows, share.max(ROWS.get()), task)
}

fn in_shares<T: Send>(
    rows: usize,
    share: usize,
    task: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let tasks = (0..rows.div_ceil(share)).into_par_iter();
    tasks
        .map(|at| task(at * share..rows.min((at + 1) * share)))
        .collect()
}

/// The rows that are as asked, in order. They are found without a branch: often it is half of them.
pub(crate) fn rows_where(rows: usize, holds: impl Fn(usize) -> bool + Sync) -> Vec<u32> {
    concat(split(rows, |part| {
        let mut out = vec![0; part.len()];
        let mut len = 0;
        for row in part {
            out[len] = row as u32;
            len += usize::from(holds(row));
        }
        out.truncate(len);
        out
    }))
}

/// A vector of which tasks write consecutive parts; they are told where theirs begins.
pub(crate) fn fill<T: Copy + Default + Send>(
    rows: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let mut out = vec![T::default(); rows];
    if is_worth(rows) {
        let share = ROWS.get();
        let parts = out.par_chunks_mut(share).enumerate();
        parts.for_each(|(at, part)| task(at * share, part));
    } else {
        task(0, &mut out);
    }
    out
}

/// One after the other.
pub(crate) fn concat<T: Copy>(parts: Vec<Vec<T>>) -> Vec<T> {
    match <[Vec<T>; 1]>::try_from(parts) {
        Ok([one]) => one,
        Err(parts) => parts.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_whatever_the_number_of_threads() {
        let rows = 5 * TASK_ROWS + 7;
        for (threads, task_rows) in [(1, None), (3, None), (2, Some(100))] {
            let work = || {
                let parts = split(rows, |part| part.filter(|row| row % 3 == 0).collect());
                let square = |start: usize, part: &mut [usize]| {
                    (start..)
                        .zip(part)
                        .for_each(|(row, cell)| *cell = row * row);
                };
                Ok((concat(parts), fill(rows, square)))
            };
            let (found, filled) = on_threads(Some(threads), task_rows, work).unwrap();
            assert!(found.into_iter().eq((0..rows).filter(|row| row % 3 == 0)));
            assert!(filled.into_iter().eq((0..rows).map(|row| row * row)));
        }
    }
}
