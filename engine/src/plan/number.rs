//! Numbers for the steps of a program, so that what each did can be counted.

use super::physical::{Among, Block, Op, Program, StepId};

/// Numbers all steps and calls from 0.
pub(super) fn number(program: &mut Program) {
    let mut next = 0;
    number_block(&mut program.block, &mut next);
    for predicate in &mut program.predicates {
        for branch in &mut predicate.branches {
            for segment in &mut branch.segments {
                number_block(segment, &mut next);
            }
            for call in &mut branch.calls {
                call.id = take(&mut next);
            }
        }
        if let Some(closure) = &mut predicate.closure {
            for link in closure
                .hops
                .iter_mut()
                .chain(closure.steps.iter_mut().flatten())
            {
                number_block(&mut link.near, &mut next);
                if let Some((all, _)) = &mut link.all {
                    number_block(all, &mut next);
                }
            }
        }
    }
    program.steps = next as usize;
}

fn number_block(block: &mut Block, next: &mut u32) {
    for step in &mut block.steps {
        step.id = take(next);
        match &mut step.op {
            Op::Union { branches, .. } => {
                branches
                    .iter_mut()
                    .for_each(|block| number_block(block, next));
            }
            Op::Intersect { block, .. } | Op::AntiJoin { block, .. } => number_block(block, next),
            Op::Nearest {
                among: Among::Passing { block, instead, .. },
                ..
            } => {
                number_block(block, next);
                let instead = instead.iter_mut();
                instead.for_each(|instead| number_block(&mut instead.0, next));
            }
            _ => {}
        }
    }
}

fn take(next: &mut u32) -> StepId {
    let id = StepId(*next);
    *next += 1;
    id
}
