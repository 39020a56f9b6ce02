//! A sample of an attribute's current rows, for the planner.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{Cell, Chunk, Run};

/// What a few evenly spread rows say of all.
#[derive(Clone, Debug)]
pub struct Sample {
    rows: f64,
    entities: f64,
    values: Vec<Cell>,
    /// Of all pairs of sampled rows, how many have one value.
    collisions: f64,
    /// Values among those looked at.
    seen: f64,
    distinct: f64,
}

impl Sample {
    /// Rows looked at.
    const ROWS: usize = 256;

    /// Looks at a run sorted by entity. Cost: O(1); chunks that are read for it are not kept, for a run
    /// that grows is looked at in other places each time.
    pub(super) fn new(run: &Run) -> Sample {
        let count = run.len().min(Sample::ROWS);
        let mut last: Option<(usize, Chunk)> = None;
        let cell = |at: usize| {
            let at = run.position(at * run.len() / count);
            let chunk = match last.take() {
                Some((number, chunk)) if number == at.chunk => chunk,
                _ => run.look(at.chunk),
            };
            let cell = chunk.v.cell(at.row);
            last = Some((at.chunk, chunk));
            cell
        };
        let values: Vec<Cell> = (0..count).map(cell).collect();
        Sample::of(run.len() as f64, entities(run), values)
    }

    /// From the rows of an attribute, its entities, and the values of rows spread evenly.
    pub fn of(rows: f64, entities: f64, values: Vec<Cell>) -> Sample {
        let count = values.len();
        let mut counts: HashMap<Cell, f64, FixedState> = HashMap::default();
        for value in &values {
            *counts.entry(*value).or_default() += 1.0;
        }
        let pairs = count as f64 * (count as f64 - 1.0);
        let collisions: f64 = counts.values().map(|n| n * (n - 1.0)).sum();
        // Values that repeat within the sample are common; each of the others may stand for many.
        let singles = counts.values().filter(|n| **n == 1.0).count() as f64;
        let scale = if count == 0 { 0.0 } else { rows / count as f64 };
        Sample {
            rows,
            entities,
            values,
            seen: counts.len() as f64,
            collisions: if pairs > 0.0 { collisions / pairs } else { 0.0 },
            distinct: (counts.len() as f64 - singles + singles * scale.sqrt()).max(1.0),
        }
    }

    /// Rows of the attribute.
    pub fn rows(&self) -> f64 {
        self.rows
    }

    /// Whether it still tells of an attribute with so many rows. Small ones are looked at again.
    pub(super) fn still_tells(&self, rows: usize) -> bool {
        self.rows >= 4096.0 && 8.0 * (self.rows - rows as f64).abs() <= self.rows
    }

    /// Entities of the attribute, roughly.
    pub fn entities(&self) -> f64 {
        self.entities
    }

    /// The values of the rows looked at.
    pub fn values(&self) -> &[Cell] {
        &self.values
    }

    /// Rows per entity that has any.
    pub fn rows_per_entity(&self) -> f64 {
        self.rows / self.entities.max(1.0)
    }

    /// Rows per value, every value counted alike.
    pub fn rows_per_value(&self) -> f64 {
        self.rows / self.distinct
    }

    /// Rows that share the value of a row drawn at random, as far as that happens in the sample.
    pub(super) fn rows_alike(&self) -> f64 {
        self.rows * self.collisions
    }

    /// Rows with this value, roughly.
    pub(super) fn rows_with(&self, value: Cell) -> f64 {
        let found = self.values.iter().filter(|other| **other == value).count() as f64;
        let scale = self.rows / (self.values.len() as f64).max(1.0);
        if found > 0.0 {
            found * scale
        } else {
            self.rows_per_value().min(scale)
        }
    }

    /// The part of the rows whose value passes a test; none if that is less than a sampled row tells.
    pub(super) fn passed(&self, test: impl Fn(Cell) -> bool) -> Option<f64> {
        let passed = self.values.iter().filter(|value| test(**value)).count() as f64;
        (passed > 0.0).then_some(passed / self.values.len() as f64)
    }

    /// The part of the rows that a value stands for which is in none of those looked at.
    pub(super) fn unseen(&self) -> f64 {
        0.5 / (self.values.len() as f64).max(1.0)
    }
}

/// Values of a run sorted by value, roughly: how often the value changes within some chunks.
///
/// Cost: O(1).
pub(super) fn values(run: &Run, sample: &Sample) -> f64 {
    let (mut pairs, mut changes) = (0, 0);
    for at in 0..VALUE_CHUNKS {
        let chunk = run.look(run.position(at * run.len() / VALUE_CHUNKS).chunk);
        let values = chunk.v.bits().windows(2);
        pairs += values.len();
        changes += values.filter(|pair| pair[0] != pair[1]).count();
    }
    let share = changes as f64 / (pairs as f64).max(1.0);
    (1.0 + run.len() as f64 * share).max(sample.seen)
}

/// Chunks that [`values`] looks at.
const VALUE_CHUNKS: usize = 8;

/// Entities of a run sorted by entity, from its middle chunk.
fn entities(run: &Run) -> f64 {
    if run.is_empty() {
        return 0.0;
    }
    let chunk = run.look(run.position(run.len() / 2).chunk);
    let sample = &chunk.e[..chunk.len().min(Sample::ROWS)];
    let distinct = 1 + sample.windows(2).filter(|pair| pair[0] != pair[1]).count();
    run.len() as f64 * distinct as f64 / sample.len() as f64
}
