//! The body of a rule, cut where it calls rules.

use std::collections::HashSet;

use super::physical::{Block, Branch, BranchCall, Op, Step, TailCall};
use super::{Slot, VarId};

/// Cuts a body at its rule calls.
///
/// `predicate`: which one it is of, and which of its arguments are bound.
pub(super) fn cut(predicate: (usize, &[bool]), head: Vec<VarId>, steps: Vec<Step>) -> Branch {
    let mut segments = vec![Block::default()];
    let mut calls = Vec::new();
    for step in steps {
        if let Op::Rule { predicate, args } = step.op {
            let (form, keep, estimate) = (step.form, step.keep, step.estimate);
            calls.push(BranchCall {
                id: step.id,
                form,
                predicate,
                args,
                keep,
                estimate,
            });
            segments.push(Block::default());
        } else if let Some(segment) = segments.last_mut() {
            segment.steps.push(step);
        }
    }
    // Within a rule every step's duplicates cost again in each round.
    let tail = tail_call(predicate, &head, &segments, &calls);
    Branch {
        head,
        segments,
        calls,
        tail,
    }
}

fn tail_call(
    (id, bound): (usize, &[bool]),
    head: &[VarId],
    segments: &[Block],
    calls: &[BranchCall],
) -> Option<TailCall> {
    let ([call], [_, after]) = (calls, segments) else {
        return None;
    };
    if call.predicate != id || !after.steps.is_empty() || !bound.contains(&true) {
        return None;
    }
    let mut demand = Vec::new();
    for ((slot, var), is_bound) in call.args.iter().zip(head).zip(bound) {
        if *is_bound {
            demand.push(slot.clone());
        } else if *slot != Slot::Var(*var) {
            return None;
        }
    }
    // A bound head variable among the callee's free arguments would be a filter, not a jump.
    let free = || {
        head.iter()
            .zip(bound)
            .filter(|(_, is_bound)| !**is_bound)
            .map(|(var, _)| var)
    };
    let distinct: HashSet<_> = free().collect();
    (distinct.len() == free().count() && !free().any(|var| demand.contains(&Slot::Var(*var))))
        .then_some(TailCall { demand })
}
