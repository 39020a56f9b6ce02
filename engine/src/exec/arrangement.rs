//! Patterns that rules ask again and again: read once, and kept by what they are asked for.

use std::collections::HashMap;

use super::block::Context;
use super::budget::Budget;
use super::key_index::KeyIndex;
use super::relation::Relation;
use super::scan;
use super::source::Source;
use crate::error::Result;
use crate::index::{Column, Kind, SortOrder};
use crate::plan::{Pattern, Slot, Step, StepId, VarId};

/// How often each step asked, and what it is answered from.
#[derive(Default)]
pub(super) struct Arrangements {
    steps: HashMap<StepId, Asked>,
}

#[derive(Default)]
struct Asked {
    /// Rows that asked so far.
    rows: usize,
    arranged: Option<Arrangement>,
}

/// All tuples of a pattern.
struct Arrangement {
    /// The variables it is asked by.
    key: Vec<VarId>,
    tuples: Relation,
    index: KeyIndex,
}

/// As [`scan::scan`]. Once as many rows have asked as the pattern has, it is read as a whole, which
/// costs no more than they did.
pub(super) fn scan(
    context: &mut Context<'_>,
    step: &Step,
    pattern: &Pattern,
    input: &Relation,
) -> Result<Relation> {
    let asked = context.arrangements.steps.entry(step.id).or_default();
    let before = asked.rows;
    asked.rows += input.len();
    if before == 0 || input.is_empty() {
        return scan::scan(context, pattern, input, &step.form);
    }
    let is_new = asked.arranged.is_none();
    let Some(key) = key(pattern, input).filter(|_| !is_new || before >= rows(context, pattern))
    else {
        return scan::scan(context, pattern, input, &step.form);
    };
    if is_new {
        let arranged = Arrangement::new(context, (step, pattern), &key)?;
        let asked = context.arrangements.steps.entry(step.id).or_default();
        asked.arranged = Some(arranged);
    }
    let asked = context.arrangements.steps.get(&step.id);
    match asked.and_then(|asked| asked.arranged.as_ref()) {
        Some(arranged) if arranged.key == key => arranged.join(input, step, context.budget),
        _ => scan::scan(context, pattern, input, &step.form),
    }
}

/// The variables that a relation gives the entity and the value of a pattern by, if those are all
/// it gives, and by integers: other cells may name entities.
fn key(pattern: &Pattern, input: &Relation) -> Option<Vec<VarId>> {
    let mut key = Vec::new();
    for (at, slot) in pattern.slots.iter().enumerate() {
        let Some((var, column)) = slot.var().and_then(|var| Some((var, input.column(var)?))) else {
            continue;
        };
        if !matches!(at, 0 | 2) || column.kind() != Some(Kind::Long) {
            return None;
        }
        if !key.contains(&var) {
            key.push(var);
        }
    }
    Some(key).filter(|key| !key.is_empty())
}

/// Rows among which a pattern's are; too many to count where it names no attribute.
fn rows(context: &Context<'_>, pattern: &Pattern) -> usize {
    match (
        &context.sources.sources[pattern.source],
        pattern.slots.get(1),
    ) {
        (Source::Db(source), Some(Slot::Const(name))) => {
            let db = &source.db;
            let run = db
                .attr_of(name)
                .and_then(|a| db.run(a, SortOrder::ByEntity));
            run.map_or(0, |run| run.len())
        }
        (Source::Tuples(tuples, _), _) => tuples.rows,
        _ => usize::MAX,
    }
}

impl Arrangement {
    fn new(
        context: &mut Context<'_>,
        (step, pattern): (&Step, &Pattern),
        key: &[VarId],
    ) -> Result<Arrangement> {
        let all = scan::scan(context, pattern, &Relation::unit(), &step.form)?;
        let rest = step.keep.iter().filter(|var| !key.contains(var));
        let vars: Vec<VarId> = key.iter().chain(rest).copied().collect();
        let tuples = all.project(&vars).distinct();
        let mut index = KeyIndex::new(key.len());
        let keys: Vec<&Column> = key.iter().filter_map(|var| tuples.column(*var)).collect();
        index.extend(&keys, tuples.len());
        Ok(Arrangement {
            key: key.to_vec(),
            tuples,
            index,
        })
    }

    /// Joins a relation with the tuples; what the step drops is left out.
    fn join(&self, input: &Relation, step: &Step, budget: &Budget) -> Result<Relation> {
        let keys: Vec<&Column> = self
            .key
            .iter()
            .filter_map(|var| input.column(*var))
            .collect();
        let others = (&keys[..], input.len());
        let (left, right) = self.index.pairs(others, step.keep.len(), budget)?;
        let kept = input.project(&step.keep);
        let has_all = kept.vars().len() == input.vars().len();
        let mut out = kept.gather(&left);
        let mine = self.tuples.vars().iter().zip(self.tuples.columns());
        for (&var, column) in mine.skip(self.key.len()) {
            out.push(var, column.gather(&right));
        }
        let out = out.known_set(input.is_set() && has_all);
        Ok(if step.distinct && !has_all {
            out.distinct()
        } else {
            out
        })
    }
}
