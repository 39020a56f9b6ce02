//! A model of a directory, run in this process: groups of texts, cut into batches of like lengths.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::bert::Bert;
use super::directory::{self, Pooling, Settings};
use super::error::{Code, Error};
use super::kernels;
use super::limits::{BATCH_TOKENS, GROUP_TEXTS};
use super::model::Watch;
use super::tokens::Pieces;
use super::weights::Weights;

/// A model that was read from a directory.
pub(crate) struct Local {
    pieces: Pieces,
    bert: Bert,
    settings: Settings,
    /// Numbers of a vector.
    pub(crate) dim: usize,
    /// Digest of the files.
    pub(crate) identity: String,
}

/// Texts that are run together: where each stands among its group.
type Batch<'a> = &'a [usize];

impl Local {
    /// Reads a directory. Cost: reads, digests and copies the weights once.
    pub(crate) fn load(folder: &Path) -> Result<Local, Error> {
        let files = directory::read(folder)?;
        let weights = Weights::read(&files.weights)?;
        Ok(Local {
            pieces: Pieces::read(&files.tokenizer, &files.shape, &files.settings)?,
            bert: Bert::read(&weights, files.shape, files.activation)?,
            dim: files.shape.hidden,
            settings: files.settings,
            identity: files.identity,
        })
    }

    /// See [`super::Model::embed`].
    pub(crate) fn embed(&self, texts: &[&str], watch: Watch) -> Result<Vec<f32>, Error> {
        if rayon::current_thread_index().is_some() {
            return self.groups(texts, watch);
        }
        // Outside of any pool the global one would be started; a library does not own the process.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|error| {
            let message = format!("no thread can be started to run the model: {error}");
            Error::of(Code::Busy, message)
        })?;
        pool.install(|| self.groups(texts, watch))
    }

    fn groups(&self, texts: &[&str], watch: Watch) -> Result<Vec<f32>, Error> {
        let mut out = vec![0.0; texts.len() * self.dim];
        let done = AtomicUsize::new(0);
        for (texts, out) in texts
            .chunks(GROUP_TEXTS)
            .zip(out.chunks_mut(GROUP_TEXTS * self.dim))
        {
            let pieces = texts.par_iter().map(|text| self.pieces.split(text));
            let pieces: Vec<Vec<u32>> = pieces.collect::<Result<_, _>>()?;
            let mut order: Vec<usize> = (0..pieces.len()).collect();
            order.sort_by_key(|at| pieces[*at].len());
            let batches = batches(&order, &pieces);
            let rows = batches.par_iter().map(|batch| {
                let rows = self.rows(batch, &pieces)?;
                let done = done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len();
                match watch(done) {
                    ControlFlow::Continue(()) => Ok(rows),
                    ControlFlow::Break(()) => Err(Error::interrupted(done)),
                }
            });
            let rows: Vec<Vec<f32>> = rows.collect::<Result<_, _>>()?;
            for (batch, rows) in batches.iter().zip(rows) {
                for (at, row) in batch.iter().zip(rows.chunks_exact(self.dim)) {
                    out[at * self.dim..][..self.dim].copy_from_slice(row);
                }
            }
        }
        Ok(out)
    }

    /// One row for each text of a batch: `[batch × dim]`.
    fn rows(&self, batch: Batch, pieces: &[Vec<u32>]) -> Result<Vec<f32>, Error> {
        let texts: Vec<&[u32]> = batch.iter().map(|at| &pieces[*at][..]).collect();
        let filled: Vec<&[u32]> = texts
            .iter()
            .copied()
            .filter(|text| !text.is_empty())
            .collect();
        let hidden = match filled.is_empty() {
            true => Vec::new(),
            false => self.bert.run(&filled)?,
        };
        let mut out = vec![0.0; texts.len() * self.dim];
        let mut hidden = &hidden[..];
        for (text, row) in texts.iter().zip(out.chunks_exact_mut(self.dim)) {
            let (own, rest) = hidden.split_at(text.len() * self.dim);
            hidden = rest;
            pool(own, self.settings.pooling, row);
            if self.settings.normalize {
                kernels::normalize(row);
            }
        }
        Ok(out)
    }
}

/// Cuts texts, ordered by length, into batches of at most [`BATCH_TOKENS`] or of one text.
fn batches<'a>(order: &'a [usize], pieces: &[Vec<u32>]) -> Vec<Batch<'a>> {
    let (mut batches, mut start, mut tokens) = (Vec::new(), 0, 0);
    for (end, at) in order.iter().enumerate() {
        let length = pieces[*at].len();
        if end > start && tokens + length > BATCH_TOKENS {
            batches.push(&order[start..end]);
            (start, tokens) = (end, 0);
        }
        tokens += length;
    }
    if start < order.len() {
        batches.push(&order[start..]);
    }
    batches
}

/// One row of `hidden`, `[pieces × dim]`; of no pieces, a row of zeros.
fn pool(hidden: &[f32], pooling: Pooling, out: &mut [f32]) {
    let mut rows = hidden.chunks_exact(out.len());
    let count = rows.len();
    let Some(first) = rows.next() else {
        return;
    };
    out.copy_from_slice(first);
    match pooling {
        Pooling::Cls => {}
        Pooling::Mean => {
            for row in rows {
                out.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
            out.iter_mut().for_each(|sum| *sum /= count as f32);
        }
        Pooling::Max => {
            for row in rows {
                let pairs = out.iter_mut().zip(row);
                pairs.for_each(|(most, value)| *most = most.max(*value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_text_once() {
        for lengths in [
            vec![],
            vec![0],
            vec![1; 2000],
            vec![600, 700],
            (0..300).collect(),
        ] {
            let pieces: Vec<Vec<u32>> = lengths.iter().map(|length| vec![0; *length]).collect();
            let order: Vec<usize> = (0..pieces.len()).collect();
            let cut = batches(&order, &pieces);
            assert_eq!(cut.concat(), order);
            for batch in cut {
                let tokens: usize = batch.iter().map(|at| pieces[*at].len()).sum();
                assert!(batch.len() == 1 || tokens <= BATCH_TOKENS);
            }
        }
    }

    #[test]
    fn rows_become_one() {
        let hidden = [1.0, 4.0, 3.0, -2.0];
        let of = |pooling, hidden: &[f32]| {
            let mut out = [0.0; 2];
            pool(hidden, pooling, &mut out);
            out
        };
        assert_eq!(of(Pooling::Mean, &hidden), [2.0, 1.0]);
        assert_eq!(of(Pooling::Cls, &hidden), [1.0, 4.0]);
        assert_eq!(of(Pooling::Max, &hidden), [3.0, 4.0]);
        assert_eq!(of(Pooling::Mean, &[]), [0.0, 0.0]);
    }
}
