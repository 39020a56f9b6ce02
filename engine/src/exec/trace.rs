//! What the steps of a query did, for those who ask.

use std::time::Duration;

use super::access::AccessPath;
use crate::plan::{Step, StepId, VarId};
use crate::value::Value;

/// What a query did so far.
pub(super) struct Trace {
    /// By the numbers of the steps.
    steps: Vec<Measured>,
    /// What was done once, to the inputs or to the last relation.
    stages: Vec<(&'static str, Measured)>,
    /// Every run of every step, if somebody wants that.
    pub(super) runs: Option<Vec<StepStats>>,
    /// How the step that runs finds its rows.
    path: Option<AccessPath>,
}

/// What all runs of one step did together.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) runs: usize,
    pub(super) rows: usize,
    /// What is beneath it included.
    pub(super) took: Duration,
    pub(super) path: Option<AccessPath>,
}

/// What one run of a step did.
#[derive(Clone, Debug)]
pub(super) struct StepStats {
    pub(super) form: Value,
    pub(super) operator: &'static str,
    pub(super) rows_in: usize,
    pub(super) rows_out: usize,
    pub(super) bound: Vec<VarId>,
    pub(super) took: Duration,
}

impl Trace {
    /// For a program of that many steps.
    pub(super) fn of_steps(steps: usize) -> Trace {
        Trace {
            steps: vec![Measured::default(); steps],
            stages: Vec::new(),
            runs: None,
            path: None,
        }
    }

    /// One that also keeps every run.
    pub(super) fn of_runs() -> Trace {
        Trace {
            runs: Some(Vec::new()),
            ..Trace::of_steps(0)
        }
    }

    /// Notes how the step that runs finds its rows.
    pub(super) fn note_path(&mut self, path: AccessPath) {
        self.path = Some(path);
    }

    /// Notes that a step ran.
    pub(super) fn note(&mut self, id: StepId, rows: usize, took: Duration) {
        let path = self.path.take();
        if let Some(step) = self.steps.get_mut(id.0 as usize) {
            step.runs += 1;
            step.rows += rows;
            step.took += took;
            step.path = path.or(step.path);
        }
    }

    /// Notes a run of a step: the rows that went in and that came out, and the variables they bind.
    pub(super) fn note_step(
        &mut self,
        step: &Step,
        (rows_in, rows_out): (usize, usize),
        bound: &[VarId],
        took: Duration,
    ) {
        self.note(step.id, rows_out, took);
        if let Some(runs) = &mut self.runs {
            runs.push(StepStats {
                form: step.form.clone(),
                operator: step.op.name(),
                rows_in,
                rows_out,
                bound: bound.to_vec(),
                took,
            });
        }
    }

    /// Notes something that is done once.
    pub(super) fn note_stage(&mut self, name: &'static str, rows: usize, took: Duration) {
        let measured = Measured {
            runs: 1,
            rows,
            took,
            path: None,
        };
        self.stages.push((name, measured));
    }

    /// What something that is done once did.
    pub(super) fn stage(&self, name: &str) -> Option<Measured> {
        let found = self.stages.iter().find(|(other, _)| *other == name);
        found.map(|(_, measured)| measured.clone())
    }

    /// What a step did; none if it never ran.
    pub(super) fn of(&self, id: StepId) -> Option<&Measured> {
        self.steps.get(id.0 as usize).filter(|step| step.runs > 0)
    }
}
