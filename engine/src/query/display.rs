//! A query as an indented tree, for `explain`.

use std::fmt;

use super::ast::{
    Binding, Clause, ClauseKind, Find, FindElement, Input, PullPattern, Query, RuleBranch,
    SourceName, Var,
};

/// A line with what belongs below it.
struct Tree {
    line: String,
    below: Vec<Tree>,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut below = vec![leaf(format!("find {}", self.find))];
        if let Some(map) = &self.return_map {
            below.push(leaf(format!("as {}", spaced(&map.keys))));
        }
        if !self.with.is_empty() {
            below.push(leaf(format!("with {}", spaced(&self.with))));
        }
        below.push(leaf(format!("in {}", spaced(&self.inputs))));
        below.push(Tree {
            line: "where".to_owned(),
            below: trees(&self.clauses),
        });
        let order = self.order_by.iter().map(|key| {
            let direction = if key.descending {
                "descending"
            } else {
                "ascending"
            };
            format!("column {} {direction}", key.column)
        });
        if !self.order_by.is_empty() {
            below.push(leaf(format!(
                "order by {}",
                order.collect::<Vec<_>>().join(", ")
            )));
        }
        below.extend(self.offset.map(|rows| leaf(format!("offset {rows}"))));
        below.extend(self.limit.map(|rows| leaf(format!("limit {rows}"))));
        below.extend(self.timeout_ms.map(|ms| leaf(format!("timeout {ms} ms"))));
        Tree {
            line: "query".to_owned(),
            below,
        }
        .write(f, "", "")
    }
}

impl fmt::Display for RuleBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = format!("rule {}", self.name);
        if !self.required.is_empty() {
            line.push_str(&format!(" [{}]", spaced(&self.required)));
        }
        if !self.free.is_empty() {
            line.push_str(&format!(" {}", spaced(&self.free)));
        }
        Tree {
            line,
            below: trees(&self.clauses),
        }
        .write(f, "", "")
    }
}

impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = spaced(self.elements());
        match self {
            Find::Relation(_) => f.write_str(&elements),
            Find::Collection(_) => write!(f, "[{elements} ...]"),
            Find::Tuple(_) => write!(f, "[{elements}]"),
            Find::Scalar(_) => write!(f, "{elements} ."),
        }
    }
}

impl fmt::Display for FindElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FindElement::Var(var) => var.fmt(f),
            FindElement::Pull {
                source,
                var,
                pattern: PullPattern::Literal(pattern),
            } => {
                write!(f, "(pull {source} {var} {pattern})")
            }
            FindElement::Pull {
                source,
                var,
                pattern: PullPattern::Input(name),
            } => {
                write!(f, "(pull {source} {var} {name})")
            }
            FindElement::Aggregate { form, .. } => form.fmt(f),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Source(source) => source.fmt(f),
            Input::Rules => f.write_str("%"),
            Input::Binding(binding) => binding.fmt(f),
            Input::Pattern(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Binding::Ignore => f.write_str("_"),
            Binding::Scalar(var) => var.fmt(f),
            Binding::Tuple(parts) => write!(f, "[{}]", spaced(parts)),
            Binding::Collection(part) => match part.as_ref() {
                Binding::Tuple(_) => write!(f, "[{part}]"),
                _ => write!(f, "[{part} ...]"),
            },
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.form.fmt(f)
    }
}

impl Tree {
    fn write(&self, f: &mut fmt::Formatter<'_>, lead: &str, indent: &str) -> fmt::Result {
        write!(f, "{lead}{}", self.line)?;
        for (i, tree) in self.below.iter().enumerate() {
            let (branch, deeper) = if i + 1 == self.below.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            writeln!(f)?;
            tree.write(
                f,
                &format!("{indent}{branch}"),
                &format!("{indent}{deeper}"),
            )?;
        }
        Ok(())
    }
}

fn trees(clauses: &[Clause]) -> Vec<Tree> {
    clauses.iter().map(tree).collect()
}

fn tree(clause: &Clause) -> Tree {
    match &clause.kind {
        ClauseKind::Not { source, clauses } => Tree {
            line: join_line(source, "not", &[], &[]),
            below: trees(clauses),
        },
        ClauseKind::NotJoin {
            source,
            vars,
            clauses,
        } => Tree {
            line: join_line(source, "not-join", &[], vars),
            below: trees(clauses),
        },
        ClauseKind::Or { source, branches } => Tree {
            line: join_line(source, "or", &[], &[]),
            below: branch_trees(branches),
        },
        ClauseKind::OrJoin {
            source,
            required,
            free,
            branches,
        } => Tree {
            line: join_line(source, "or-join", required, free),
            below: branch_trees(branches),
        },
        _ => leaf(clause.form.to_string()),
    }
}

fn branch_trees(branches: &[Vec<Clause>]) -> Vec<Tree> {
    let tree_of = |branch: &Vec<Clause>| match branch.as_slice() {
        [clause] => tree(clause),
        clauses => Tree {
            line: "and".to_owned(),
            below: trees(clauses),
        },
    };
    branches.iter().map(tree_of).collect()
}

fn join_line(source: &Option<SourceName>, name: &str, required: &[Var], free: &[Var]) -> String {
    let mut line = source
        .as_ref()
        .map(|source| format!("{source} "))
        .unwrap_or_default();
    line.push_str(name);
    if !required.is_empty() {
        line.push_str(&format!(" [{}]", spaced(required)));
    }
    if !free.is_empty() {
        line.push_str(&format!(" {}", spaced(free)));
    }
    line
}

fn leaf(line: String) -> Tree {
    Tree {
        line,
        below: Vec::new(),
    }
}

fn spaced<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
