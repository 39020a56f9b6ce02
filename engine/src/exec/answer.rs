//! From the last relation to what the caller asked for: find elements, order, shape.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::aggregate;
use super::block::{Context, Outcome};
use super::fold::Fold;
use super::order::Rows;
use super::relation::Relation;
use crate::datom::EntityId;
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Column, Interner};
use crate::plan::VarId;
use crate::pull;
use crate::query::ast::{Arg, Find, FindElement, PullPattern, Query, ReturnMap, Var};
use crate::value::{Symbol, Value, compare};

/// The answer to a query: columns in the order of the find, and the shape they stand for.
pub struct Answer {
    shape: Shape,
    names: Vec<String>,
    columns: Vec<AnswerColumn>,
    rows: usize,
    return_map: Option<ReturnMap>,
    interner: Interner,
}

/// How an answer's rows are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A set of tuples.
    Set,
    /// A sequence of tuples.
    Rows,
    /// The values of the one column.
    Collection,
    /// The first tuple.
    Tuple,
    /// The first value.
    Scalar,
}

/// One column of an answer.
pub enum AnswerColumn {
    /// Cells; see [`Answer::value`].
    Cells(Column),
    /// Values made at the edge: pulled maps, aggregates.
    Values(Vec<Value>),
}

impl Answer {
    /// How the rows are to be shown.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What the columns are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns, in the order of the find.
    pub fn columns(&self) -> &[AnswerColumn] {
        &self.columns
    }

    /// The keys of each row, where the query asked for maps.
    pub fn keys(&self) -> Option<&[Value]> {
        self.return_map.as_ref().map(|map| &map.keys[..])
    }

    /// The interned value of a cell whose kind is interned.
    pub fn interned(&self, cell: Cell) -> &Value {
        self.interner.interned(cell.bits)
    }

    /// One value.
    pub fn value(&self, column: usize, row: usize) -> Value {
        match &self.columns[column] {
            AnswerColumn::Cells(cells) => self.interner.value(cells.cell(row)),
            AnswerColumn::Values(values) => values[row].clone(),
        }
    }

    fn row(&self, row: usize) -> Value {
        let values = (0..self.columns.len()).map(|column| self.value(column, row));
        match &self.return_map {
            Some(map) => Value::map(map.keys.iter().cloned().zip(values)),
            None => Value::vector(values),
        }
    }

    /// The answer as one value.
    pub fn to_value(&self) -> Value {
        match self.shape {
            Shape::Set => Value::set((0..self.rows).map(|row| self.row(row))),
            Shape::Rows => Value::vector((0..self.rows).map(|row| self.row(row))),
            Shape::Collection => Value::vector((0..self.rows).map(|row| self.value(0, row))),
            Shape::Tuple if self.rows == 0 => Value::Nil,
            Shape::Tuple => self.row(0),
            Shape::Scalar if self.rows == 0 => Value::Nil,
            Shape::Scalar => self.value(0, 0),
        }
    }
}

fn elements(find: &Find) -> Vec<&FindElement> {
    match find {
        Find::Relation(elements) | Find::Tuple(elements) => elements.iter().collect(),
        Find::Collection(element) | Find::Scalar(element) => vec![element],
    }
}

/// The variables a query's result is made of, `:with` included.
pub(super) fn needed_vars(query: &Query) -> Vec<Var> {
    let mut vars = Vec::new();
    for element in elements(&query.find) {
        match element {
            FindElement::Var(var) | FindElement::Pull { var, .. } => vars.push(var.clone()),
            FindElement::Aggregate { function, args, .. } => {
                if let crate::query::ast::FunctionName::Var(var) = function {
                    vars.push(var.clone());
                }
                vars.extend(args.iter().filter_map(|arg| match arg {
                    Arg::Var(var) => Some(var.clone()),
                    _ => None,
                }));
            }
        }
    }
    vars.extend(query.with.iter().cloned());
    vars
}

/// What a query asks of its rows, if they can be added up as they come.
pub(super) fn fold(query: &Query, scope: &HashMap<Var, VarId>) -> Option<Fold> {
    let find = elements(&query.find);
    if !find.iter().any(is_aggregate) {
        return None;
    }
    let needed = needed_vars(query).iter().map(|var| scope[var]).collect();
    Fold::new(&find, needed, scope)
}

fn is_aggregate(element: &&FindElement) -> bool {
    matches!(element, FindElement::Aggregate { .. })
}

/// Shapes what comes of the clauses.
pub(super) fn shape(
    (query, scope): (&Query, &HashMap<Var, VarId>),
    patterns: &[(Symbol, Value)],
    mut context: Context<'_>,
    outcome: Outcome,
) -> Result<Answer> {
    let find = elements(&query.find);
    let (mut columns, rows, tuples) = match outcome {
        Outcome::Relation(relation) if relation.is_empty() => {
            let columns = find
                .iter()
                .map(|_| AnswerColumn::Values(Vec::new()))
                .collect();
            return Ok(finish(query, columns, 0, context.interner));
        }
        Outcome::Relation(relation) => found(query, scope, &mut context, &relation)?,
        Outcome::Groups(folded) => (folded.columns, folded.groups, None),
    };
    let started = context.started();
    // Aggregates come in order of their groups; other tuples are a set, walked as Clojure walks it.
    let order = Rows::new(query, &columns, rows, &context.interner, tuples.as_ref()).order();
    if let Some(order) = &order {
        columns = columns.iter().map(|column| column.gather(order)).collect();
    }
    let rows = order.map_or(rows, |order| order.len());
    let name = if query.order_by.is_empty() {
        "limit"
    } else {
        "order"
    };
    context.note_stage(name, rows, started);
    let started = context.started();
    for (element, column) in find.iter().zip(&mut columns) {
        if let FindElement::Pull {
            source, pattern, ..
        } = element
        {
            let source = context.sources.position(source).unwrap_or(0);
            let db = context
                .sources
                .db(source, &Value::symbol("pull"))?
                .db
                .clone();
            *column = pulled(&db, pattern, patterns, column, &mut context.interner)?;
        }
    }
    context.note_stage("pull", rows, started);
    Ok(finish(query, columns, rows, context.interner))
}

/// The columns of the find and their rows; and, where these are no groups, the tuples.
fn found(
    query: &Query,
    scope: &HashMap<Var, VarId>,
    context: &mut Context<'_>,
    relation: &Relation,
) -> Result<(Vec<AnswerColumn>, usize, Option<Relation>)> {
    let find = elements(&query.find);
    let vars: Vec<VarId> = needed_vars(query).iter().map(|var| scope[var]).collect();
    if let Some(var) = vars.iter().find(|var| !relation.binds(**var)) {
        let name = context.program.vars.name(*var);
        let message = format!("Query for unknown vars: [{name}]");
        return Err(Error::new(Code::ParserQuery, message)
            .with("vars", Value::vector([Value::Symbol(name.0.clone())])));
    }
    let started = context.started();
    let tuples = relation.project(&vars).distinct_within(context.budget)?;
    context.note_stage("distinct", tuples.len(), started);
    let started = context.started();
    if find.iter().any(is_aggregate) {
        let (columns, rows) = aggregate::aggregate(&find, scope, context, &tuples)?;
        context.note_stage("aggregate", rows, started);
        return Ok((columns, rows, None));
    }
    let column = |element: &&FindElement| {
        let var = plain_var(element).expect("no aggregates here");
        AnswerColumn::Cells(tuples.column(scope[var]).cloned().unwrap_or_default())
    };
    // `:with` keeps tuples apart that look alike in the result.
    let columns = find.iter().map(column).collect();
    Ok((columns, tuples.len(), Some(tuples)))
}

/// The variable of an element that is no aggregate.
pub(super) fn plain_var(element: &FindElement) -> Option<&Var> {
    match element {
        FindElement::Var(var) | FindElement::Pull { var, .. } => Some(var),
        FindElement::Aggregate { .. } => None,
    }
}

fn finish(query: &Query, columns: Vec<AnswerColumn>, rows: usize, interner: Interner) -> Answer {
    let is_plain = elements(&query.find)
        .iter()
        .all(|e| matches!(e, FindElement::Var(_)));
    let shape = match &query.find {
        Find::Relation(_)
            if is_plain
                && query.with.is_empty()
                && query.order_by.is_empty()
                && query.return_map.is_none() =>
        {
            Shape::Set
        }
        Find::Relation(_) => Shape::Rows,
        Find::Collection(_) => Shape::Collection,
        Find::Tuple(_) => Shape::Tuple,
        Find::Scalar(_) => Shape::Scalar,
    };
    Answer {
        shape,
        names: elements(&query.find).into_iter().map(name).collect(),
        columns,
        rows,
        return_map: query.return_map.clone(),
        interner,
    }
}

/// What a find element is called: its variable without `?`, or the aggregate as written.
fn name(element: &FindElement) -> String {
    match element {
        FindElement::Var(var) | FindElement::Pull { var, .. } => {
            var.0.as_str().trim_start_matches('?').to_owned()
        }
        FindElement::Aggregate { form, .. } => form.to_string(),
    }
}

impl AnswerColumn {
    fn gather(&self, rows: &[u32]) -> AnswerColumn {
        match self {
            AnswerColumn::Cells(cells) => AnswerColumn::Cells(cells.gather(rows)),
            AnswerColumn::Values(values) => AnswerColumn::Values(
                rows.iter()
                    .map(|&row| values[row as usize].clone())
                    .collect(),
            ),
        }
    }

    pub(super) fn compare(&self, a: u32, b: u32, interner: &Interner) -> Ordering {
        match self {
            AnswerColumn::Cells(cells) => {
                let (a, b) = (cells.cell(a as usize), cells.cell(b as usize));
                if a == b {
                    return Ordering::Equal;
                }
                compare(&interner.value(a), &interner.value(b))
            }
            AnswerColumn::Values(values) => compare(&values[a as usize], &values[b as usize]),
        }
    }
}

/// What a pull makes of each entity of a column.
fn pulled(
    db: &crate::db::Db,
    pattern: &PullPattern,
    inputs: &[(Symbol, Value)],
    column: &AnswerColumn,
    interner: &mut Interner,
) -> Result<AnswerColumn> {
    let pattern = match pattern {
        PullPattern::Literal(value) => value.clone(),
        PullPattern::Input(name) => {
            let found = inputs.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.clone()).ok_or_else(|| {
                Error::new(
                    Code::ParserPull,
                    format!("No input holds the pull pattern {name}"),
                )
            })?
        }
    };
    let compiled = pull::Compiled::new(&pattern)?;
    let AnswerColumn::Cells(cells) = column else {
        unreachable!("pulled elements are variables");
    };
    let mut values = Vec::with_capacity(cells.len());
    for cell in cells.cells() {
        let e = match cell.as_long() {
            Some(e) => Some(EntityId(e)),
            None => db.entid(&interner.value(cell))?,
        };
        let pulled = e.map(|e| compiled.run(db, e)).transpose()?.flatten();
        values.push(pulled.unwrap_or(Value::Nil));
    }
    Ok(AnswerColumn::Values(values))
}
