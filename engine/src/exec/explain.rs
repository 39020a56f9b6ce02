//! Plans for people and for programs: what each step does, what it should yield and, if the query
//! ran, what it did.

use std::fmt;
use std::time::{Duration, Instant};

use super::access::AccessPath;
use super::answer;
use super::drawing::{self, Tone};
use super::forecast::Forecast;
use super::query::{Input, QueryOptions, Run, on_threads, read};
use super::source::Sources;
use super::trace::{Measured, StepStats, Trace};
use crate::error::{Code, Error, Result};
use crate::plan::{Op, PlanNode, Program, Slot, Step, StepId, VarId, Vars, Work, tree};
use crate::query::ast::{self, FindElement, Query};
use crate::value::{Map, Value};

/// An estimate this many times above or below the rows there were is marked.
const MISJUDGED: f64 = 10.0;

/// How a query is answered, as a tree of lines.
pub struct Explanation {
    query: Value,
    pub(super) lines: Vec<Line>,
    pub(super) analysis: Option<Analysis>,
}

/// What running a query took.
pub(super) struct Analysis {
    pub(super) rows: usize,
    pub(super) planned: Duration,
    pub(super) answered: Duration,
}

/// One operator.
#[derive(Default)]
pub(super) struct Line {
    pub(super) operator: &'static str,
    pub(super) text: String,
    clause: Option<Value>,
    pub(super) index: Option<&'static str>,
    pub(super) estimate: Option<f64>,
    step: Option<StepId>,
    /// Whether it stands for a block that is run only in place of another.
    is_fallback: bool,
    pub(super) measured: Option<Measured>,
    pub(super) below: Vec<Line>,
}

/// How a query would be answered; with `:analyze true` among the modifiers of the options it is
/// answered, and each operator has its rows and time as well.
///
/// Errors: as [`q`](super::q); `Code::QueryInputs` for an `:analyze` that is neither true nor false.
pub fn explain(query: &Value, inputs: &[Input], options: &QueryOptions) -> Result<Explanation> {
    let is_analyzed = match options.modifiers.get("analyze") {
        None | Some(Value::Nil) => false,
        Some(Value::Bool(is_analyzed)) => *is_analyzed,
        Some(other) => {
            let message = format!("explain expected true or false for :analyze, found {other}");
            return Err(Error::new(Code::QueryInputs, message).with("analyze", other.clone()));
        }
    };
    let parsed = read(query, options)?;
    on_threads(inputs, options, || {
        let started = Instant::now();
        let run = Run::new(&parsed, inputs, 0, None)?;
        let planned = started.elapsed();
        let mut lines = lines(&parsed, &run);
        let mut analysis = None;
        if is_analyzed {
            let mut trace = Trace::of_steps(run.program().steps);
            let started = Instant::now();
            let answer = run.answer(options, Some(&mut trace))?;
            analysis = Some(Analysis {
                rows: answer.len(),
                planned,
                answered: started.elapsed(),
            });
            measure(&mut lines, &trace);
        }
        drop_fallbacks(&mut lines, is_analyzed);
        Ok(Explanation {
            query: query.clone(),
            lines,
            analysis,
        })
    })
}

/// A query's result under `:ret`, and for each clause in the order it ran its rows and time.
pub fn query_stats(query: &Value, inputs: &[Input], options: &QueryOptions) -> Result<Value> {
    let parsed = read(query, options)?;
    let mut trace = Trace::of_runs();
    let (answer, names) = on_threads(inputs, options, || {
        let run = Run::new(&parsed, inputs, 0, None)?;
        let names = run.program().vars.clone();
        Ok((run.answer(options, Some(&mut trace))?, names))
    })?;
    let runs = trace.runs.unwrap_or_default();
    let clauses = runs.iter().map(|step| stats_value(step, &names));
    let mut out = Map::default();
    out.insert(Value::keyword("ret"), answer.to_value());
    out.insert(Value::keyword("query"), query.clone());
    out.insert(Value::keyword("clauses"), Value::vector(clauses));
    Ok(out.into())
}

fn stats_value(step: &StepStats, names: &Vars) -> Value {
    let bound = step
        .bound
        .iter()
        .map(|var| Value::Symbol(names.name(*var).0.clone()));
    let rels = Value::map([
        (Value::keyword("rows"), Value::from(step.rows_out)),
        (Value::keyword("bound"), Value::set(bound)),
    ]);
    Value::map([
        (Value::keyword("clause"), step.form.clone()),
        (Value::keyword("type"), Value::keyword(step.operator)),
        (Value::keyword("rows-in"), Value::from(step.rows_in)),
        (Value::keyword("rows-out"), Value::from(step.rows_out)),
        (Value::keyword("t"), milliseconds(step.took)),
        (Value::keyword("rels"), Value::vector([rels])),
    ])
}

fn milliseconds(took: Duration) -> Value {
    Value::Double(took.as_nanos() as f64 / 1e6)
}

/// The operators of a query: its inputs, its clauses, what is made of the last relation.
fn lines(query: &Query, run: &Run<'_>) -> Vec<Line> {
    let (program, sources) = (run.program(), run.sources());
    let inputs = query.inputs.iter();
    let inputs = inputs.filter(|input| matches!(input, ast::Input::Binding(_)));
    let inputs: Vec<String> = inputs.map(ToString::to_string).collect();
    let mut lines = Vec::new();
    let mut forecast = Forecast {
        bound: run
            .seeds()
            .iter()
            .flat_map(|seed| seed.vars().to_vec())
            .collect(),
        sorted: None,
        rows: run.seeds().iter().map(|seed| seed.len() as f64).product(),
    };
    if !inputs.is_empty() {
        lines.push(Line {
            estimate: Some(forecast.rows),
            ..stage("input", inputs.join(" "))
        });
    }
    let outlook = Outlook { program, sources };
    lines.extend(outlook.block(&tree(program), &mut forecast));
    lines.extend(stages(query));
    lines
}

fn stage(operator: &'static str, text: String) -> Line {
    Line {
        operator,
        text,
        ..Line::default()
    }
}

/// What is made of the last relation, in order.
fn stages(query: &Query) -> Vec<Line> {
    let is_aggregate = |element: &&FindElement| matches!(element, FindElement::Aggregate { .. });
    let elements = query.find.elements();
    let mut out = vec![stage("distinct", spaced(&answer::needed_vars(query)))];
    if elements.iter().any(|element| is_aggregate(&element)) {
        let (made, keys): (Vec<_>, Vec<_>) = elements.iter().partition(is_aggregate);
        let per = if keys.is_empty() { "" } else { " per " };
        let keys: Vec<_> = keys.into_iter().filter_map(answer::plain_var).collect();
        out.push(stage("aggregate", spaced(&made) + per + &spaced(&keys)));
    }
    let mut order: Vec<String> = Vec::new();
    for key in &query.order_by {
        let direction = if key.descending { " desc" } else { "" };
        let element = elements.get(key.column).map(ToString::to_string);
        order.push(element.unwrap_or_default() + direction);
    }
    let cut = [("limit", query.limit), ("offset", query.offset)];
    let cut = cut
        .iter()
        .filter_map(|(name, rows)| Some(format!("{name} {}", (*rows)?)));
    match (order.is_empty(), cut.collect::<Vec<_>>()) {
        (false, cut) => out.push(stage("order", [order, cut].concat().join(" "))),
        (true, cut) if !cut.is_empty() => {
            out.push(stage("limit", cut.join(" ").replace("limit ", "")))
        }
        _ => {}
    }
    let pulls = elements
        .iter()
        .filter(|element| matches!(element, FindElement::Pull { .. }));
    out.extend(pulls.map(|element| stage("pull", element.to_string())));
    out
}

fn spaced<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// What the lines of a program need to know.
struct Outlook<'a> {
    program: &'a Program,
    sources: &'a Sources,
}

impl Outlook<'_> {
    fn block(&self, nodes: &[PlanNode<'_>], forecast: &mut Forecast) -> Vec<Line> {
        nodes.iter().map(|node| self.line(node, forecast)).collect()
    }

    fn line(&self, node: &PlanNode<'_>, forecast: &mut Forecast) -> Line {
        match &node.work {
            Work::Step(step, callee) => {
                let path = match &step.op {
                    Op::Scan(pattern) => Some(forecast.path(pattern, self.sources)),
                    _ => None,
                };
                let mut inner = forecast.clone();
                if let Op::AntiJoin { on, .. } = &step.op {
                    inner.bound.clone_from(on);
                }
                let below = match &step.op {
                    Op::Intersect { var, .. } => self.lists(*var, &node.below),
                    _ => self.block(&node.below, &mut inner),
                };
                forecast.advance(step, path);
                Line {
                    operator: path.map_or_else(|| self.operator(&step.op), |path| path.name()),
                    text: self.text(step, callee.as_deref()),
                    clause: Some(step.form.clone()),
                    index: path.and_then(|path| path.index()),
                    estimate: Some(step.estimate),
                    step: Some(step.id),
                    below,
                    ..Line::default()
                }
            }
            Work::Call(call, callee) => {
                forecast.sorted = None;
                forecast.rows = call.estimate;
                forecast
                    .bound
                    .extend(call.args.iter().filter_map(Slot::var));
                Line {
                    clause: Some(call.form.clone()),
                    estimate: Some(call.estimate),
                    step: Some(call.id),
                    below: self.block(&node.below, &mut forecast.clone()),
                    ..stage("call", format!("{} by {callee}", call.form))
                }
            }
            Work::Start(start) => {
                let mut inner = Forecast {
                    bound: start.bound.clone(),
                    sorted: start.sorted,
                    // A block that starts from what is bound is given that, one by one.
                    rows: 1.0,
                };
                Line {
                    is_fallback: start.is_fallback,
                    below: self.block(&node.below, &mut inner),
                    ..stage(start.name, start.text.clone())
                }
            }
        }
    }

    /// The patterns that list the values of a variable.
    fn lists(&self, var: VarId, nodes: &[PlanNode<'_>]) -> Vec<Line> {
        let mut lines = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Work::Step(step, _) = &node.work else {
                continue;
            };
            let Op::Scan(pattern) = &step.op else {
                continue;
            };
            let path = AccessPath::list(pattern, var);
            lines.push(Line {
                clause: Some(step.form.clone()),
                index: path.index(),
                step: Some(step.id),
                ..stage(path.name(), step.form.to_string())
            });
        }
        lines
    }

    fn operator(&self, op: &Op) -> &'static str {
        match op {
            Op::Scan(_) => "scan",
            Op::Intersect { .. } => "intersect",
            Op::Filter(_) => "filter",
            Op::Compute(..) => "function",
            Op::Union { .. } => "or",
            Op::AntiJoin { .. } => "not",
            Op::Nearest { .. } => "nearest",
            Op::Rule { predicate, .. } => match self.program.predicates[*predicate].closure {
                Some(_) => "closure",
                None => "rule",
            },
        }
    }

    /// The clause; where it stands beneath piece by piece, the variables it shares.
    fn text(&self, step: &Step, callee: Option<&str>) -> String {
        let names = |vars: &[VarId]| {
            let names = vars.iter().map(|var| self.program.vars.name(*var));
            spaced(&names.collect::<Vec<_>>())
        };
        match (&step.op, callee) {
            (Op::Intersect { var, .. }, _) => names(&[*var]),
            (Op::Union { outputs, .. }, _) => names(outputs),
            (Op::AntiJoin { on, .. }, _) => names(on),
            (_, Some(callee)) => format!("{} by {callee}", step.form),
            (_, None) => step.form.to_string(),
        }
    }
}

/// Puts what was measured to the lines.
fn measure(lines: &mut [Line], trace: &Trace) {
    for line in lines {
        line.measured = match line.step {
            Some(step) => trace.of(step).cloned(),
            None => trace.stage(line.operator),
        };
        let path = line.measured.as_ref().and_then(|measured| measured.path);
        if let Some(path) = path {
            (line.operator, line.index) = (path.name(), path.index());
        }
        measure(&mut line.below, trace);
    }
}

/// Leaves out blocks that were not run, or are not expected to be.
fn drop_fallbacks(lines: &mut Vec<Line>, is_analyzed: bool) {
    lines.retain(|line| !line.is_fallback || (is_analyzed && line.has_run()));
    lines
        .iter_mut()
        .for_each(|line| drop_fallbacks(&mut line.below, is_analyzed));
}

impl Line {
    fn has_run(&self) -> bool {
        self.measured.is_some() || self.below.iter().any(Line::has_run)
    }

    /// How many times more rows there were than expected, if it is ten times more or a tenth.
    pub(super) fn misjudged(&self) -> Option<f64> {
        let measured = self.measured.as_ref()?;
        let rows = measured.rows as f64 / measured.runs.max(1) as f64;
        let ratio = rows.max(1.0) / self.estimate?.max(1.0);
        (!(1.0 / MISJUDGED..=MISJUDGED).contains(&ratio)).then_some(ratio)
    }

    fn to_value(&self) -> Value {
        let mut out = Map::default();
        let mut put = |key: &str, value: Value| out.insert(Value::keyword(key), value);
        put("type", Value::keyword(&self.operator.replace(' ', "-")));
        put(
            "clause",
            self.clause
                .clone()
                .unwrap_or_else(|| Value::str(&self.text)),
        );
        if let Some(index) = self.index {
            put("index", Value::keyword(index));
        }
        if let Some(estimate) = self.estimate {
            put("estimate", Value::Double(estimate));
        }
        if let Some(measured) = &self.measured {
            put("rows", Value::from(measured.rows));
            put("runs", Value::from(measured.runs));
            put("t", milliseconds(measured.took));
        }
        if let Some(ratio) = self.misjudged() {
            put("misjudged", Value::Double(ratio));
        }
        if !self.below.is_empty() {
            put(
                "branches",
                Value::vector(self.below.iter().map(Line::to_value)),
            );
        }
        out.into()
    }
}

impl Explanation {
    /// The tree, with its parts painted: at most 100 columns wide.
    pub fn to_text(&self, paint: &dyn Fn(Tone, &str) -> String) -> String {
        drawing::draw(self, paint)
    }

    /// The tree as data: maps with `:type`, `:clause`, `:index`, `:estimate`, and where the query
    /// ran `:rows`, `:runs` and `:t` in milliseconds; what stands beneath under `:branches`.
    pub fn to_value(&self) -> Value {
        let mut out = Map::default();
        let mut put = |key: &str, value: Value| out.insert(Value::keyword(key), value);
        put("query", self.query.clone());
        put("plan", Value::vector(self.lines.iter().map(Line::to_value)));
        if let Some(analysis) = &self.analysis {
            put("rows", Value::from(analysis.rows));
            put("t-plan", milliseconds(analysis.planned));
            put("t", milliseconds(analysis.answered));
        }
        out.into()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(&|_, text| text.to_owned()))
    }
}
