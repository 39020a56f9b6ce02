//! Functions that are arithmetic, as a tree that can be worked out for whole columns.
//!
//! In: the body of a function as rhai parsed it. Out: a [`Formula`], or none if it does anything but
//! calculate: loops, calls of functions other than a few of numbers, strings, assignments.

use std::collections::HashMap;

use rhai::{AST, ASTNode, Expr, Stmt, StmtBlock};

/// Most parts of a formula: names that stand for others are written out.
const PARTS: usize = 512;

/// A tree of calculations.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Formula {
    /// The argument at a position.
    Param(usize),
    Long(i64),
    Double(f64),
    Bool(bool),
    Unary(Unary, Box<Formula>),
    Binary(Binary, Box<Formula>, Box<Formula>),
    /// The second where the first holds, else the third.
    If(Box<[Formula; 3]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Minus,
    Not,
    Abs,
    Sqrt,
    Floor,
    Ceiling,
    ToFloat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// The formula of the one function of a script, if it is one.
pub(super) fn formula(only: &AST) -> Option<Formula> {
    let function = only.iter_fn_def().next()?;
    let params = function.params.iter().enumerate();
    let names = params
        .map(|(at, name)| (name.to_string(), Formula::Param(at)))
        .collect();
    let mut body = Vec::new();
    only.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            body.push((*statement).clone());
        }
        true
    });
    Reading { names, parts: 0 }.statements(body.iter())
}

struct Reading {
    /// What each name stands for.
    names: HashMap<String, Formula>,
    parts: usize,
}

impl Reading {
    fn block(&mut self, block: &StmtBlock) -> Option<Formula> {
        self.statements(block.iter())
    }

    /// Definitions, and then a value.
    fn statements<'s>(&mut self, all: impl Iterator<Item = &'s Stmt>) -> Option<Formula> {
        let statements: Vec<&Stmt> = all.filter(|one| !matches!(one, Stmt::Noop(_))).collect();
        let (last, before) = statements.split_last()?;
        let outer = self.names.clone();
        for statement in before {
            let Stmt::Var(defined, _, _) = statement else {
                return None;
            };
            let value = self.value(&defined.1)?;
            self.names.insert(defined.0.name.to_string(), value);
        }
        let value = self.statement(last);
        self.names = outer;
        value
    }

    fn statement(&mut self, statement: &Stmt) -> Option<Formula> {
        match statement {
            Stmt::Expr(value) => self.value(value),
            Stmt::Return(Some(value), flags, _) if flags.is_empty() => self.value(value),
            Stmt::FnCall(call, _) => self.call(call),
            Stmt::Block(block) => self.block(block),
            Stmt::If(choice, _) => {
                let condition = self.value(&choice.expr)?;
                let (then, otherwise) = (self.block(&choice.body)?, self.block(&choice.branch)?);
                self.part(Formula::If(Box::new([condition, then, otherwise])))
            }
            _ => None,
        }
    }

    fn value(&mut self, value: &Expr) -> Option<Formula> {
        match value {
            Expr::IntegerConstant(n, _) => self.part(Formula::Long(*n)),
            Expr::FloatConstant(x, _) => self.part(Formula::Double(**x)),
            Expr::BoolConstant(b, _) => self.part(Formula::Bool(*b)),
            Expr::Variable(name, _, _) if name.2.is_empty() => {
                let meant = self.names.get(name.1.as_str())?.clone();
                self.parts += size(&meant);
                (self.parts <= PARTS).then_some(meant)
            }
            Expr::Stmt(block) => self.block(block),
            Expr::FnCall(call, _) => self.call(call),
            // `x.abs()`: the receiver is the first argument.
            Expr::Dot(pair, flags, _) if flags.is_empty() => match &pair.rhs {
                Expr::MethodCall(call, _) if call.args.is_empty() => {
                    let receiver = self.value(&pair.lhs)?;
                    self.unary(&call.name, receiver)
                }
                _ => None,
            },
            Expr::And(parts, _) => self.chain(Binary::And, parts),
            Expr::Or(parts, _) => self.chain(Binary::Or, parts),
            _ => None,
        }
    }

    fn chain(&mut self, joined: Binary, parts: &[Expr]) -> Option<Formula> {
        let mut parts = parts.iter();
        let first = self.value(parts.next()?)?;
        parts.try_fold(first, |left, right| {
            let right = self.value(right)?;
            self.part(Formula::Binary(joined, Box::new(left), Box::new(right)))
        })
    }

    fn call(&mut self, call: &rhai::FnCallExpr) -> Option<Formula> {
        if !call.namespace.is_empty() || call.capture_parent_scope {
            return None;
        }
        match call.args.as_slice() {
            [only] => {
                let only = self.value(only)?;
                self.unary(&call.name, only)
            }
            [left, right] => {
                let operator = binary(&call.name)?;
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.part(Formula::Binary(operator, Box::new(left), Box::new(right)))
            }
            _ => None,
        }
    }

    fn unary(&mut self, name: &str, of: Formula) -> Option<Formula> {
        let operator = match name {
            "-" => Unary::Minus,
            "!" => Unary::Not,
            "abs" => Unary::Abs,
            "sqrt" => Unary::Sqrt,
            "floor" => Unary::Floor,
            "ceiling" => Unary::Ceiling,
            "to_float" => Unary::ToFloat,
            _ => return None,
        };
        self.part(Formula::Unary(operator, Box::new(of)))
    }

    fn part(&mut self, part: Formula) -> Option<Formula> {
        self.parts += 1;
        (self.parts <= PARTS).then_some(part)
    }
}

fn binary(name: &str) -> Option<Binary> {
    Some(match name {
        "+" => Binary::Add,
        "-" => Binary::Subtract,
        "*" => Binary::Multiply,
        "/" => Binary::Divide,
        "%" => Binary::Remainder,
        "==" => Binary::Equal,
        "!=" => Binary::NotEqual,
        "<" => Binary::Less,
        "<=" => Binary::LessOrEqual,
        ">" => Binary::Greater,
        ">=" => Binary::GreaterOrEqual,
        _ => return None,
    })
}

/// Parts of a formula.
fn size(formula: &Formula) -> usize {
    match formula {
        Formula::Param(_) | Formula::Long(_) | Formula::Double(_) | Formula::Bool(_) => 1,
        Formula::Unary(_, of) => 1 + size(of),
        Formula::Binary(_, left, right) => 1 + size(left) + size(right),
        Formula::If(parts) => 1 + parts.iter().map(size).sum::<usize>(),
    }
}
