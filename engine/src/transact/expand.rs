//! Forms that call functions, `[:my/transfer a b 10]`, written out as what the functions answer.
//!
//! Functions see the database value before the transaction and their arguments, nothing else; so
//! all of them are called before anything is worked out, each form once, in order. The answer
//! takes the form's place and may call functions itself.

use std::borrow::Cow;

use super::show;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::limits::{TX_FUNCTION_DEPTH, TX_FUNCTION_FORMS};
use crate::schema::is_reserved;
use crate::script::{Allowance, Callee, Finder};
use crate::value::{Keyword, Symbol, Value};

/// Functions as one transaction calls them: upon the value before it, in the time it has.
pub(super) struct Functions {
    pub(super) db: Db,
    pub(super) finder: Finder,
    pub(super) allowance: Allowance,
}

impl Functions {
    pub(super) fn new(db: &Db) -> Functions {
        Functions {
            db: db.clone(),
            finder: Finder::new(Some(db.clone())),
            allowance: Allowance::of_transaction(),
        }
    }

    /// The forms without calls. Names that no function has are left for what refuses them.
    pub(super) fn expand<'f>(&self, forms: &'f [Value]) -> Result<Cow<'f, [Value]>> {
        if !forms.iter().any(|form| called(form).is_some()) {
            return Ok(Cow::Borrowed(forms));
        }
        let mut out = Vec::with_capacity(forms.len());
        for form in forms {
            self.write_out(form, 0, &mut out)?;
        }
        Ok(Cow::Owned(out))
    }

    fn write_out(&self, form: &Value, depth: usize, out: &mut Vec<Value>) -> Result<()> {
        let placed = |error: Error| error.with("tx-data", form.clone());
        let call = called(form).map(|(name, args)| Ok((self.finder.find(&name)?, args)));
        let Some((Some(callee), args)) = call.transpose().map_err(placed)? else {
            if out.len() >= TX_FUNCTION_FORMS && depth > 0 {
                return Err(placed(over("forms", TX_FUNCTION_FORMS)));
            }
            out.push(form.clone());
            return Ok(());
        };
        if depth >= TX_FUNCTION_DEPTH {
            return Err(placed(over("nested functions", TX_FUNCTION_DEPTH)));
        }
        let answer = self.answer(&callee, args).map_err(placed)?;
        let forms = match &answer {
            Value::Nil => return Ok(()),
            Value::Vector(forms) | Value::List(forms) => forms,
            other => return Err(placed(no_data(&callee, other))),
        };
        let mut forms = forms.iter();
        forms.try_for_each(|form| self.write_out(form, depth + 1, out))
    }

    fn answer(&self, callee: &Callee, args: &[Value]) -> Result<Value> {
        self.allowance.check()?;
        callee.call_with_db(&self.db, args, &self.allowance)
    }
}

/// The name that a form calls, and its arguments; none for an operation and what is no call.
fn called(form: &Value) -> Option<(Symbol, &[Value])> {
    let [operation, rest @ ..] = form.as_sequential()? else {
        return None;
    };
    let operation = operation.as_keyword().map(Keyword::as_str)?;
    match (operation, rest) {
        ("db.fn/call", [Value::Symbol(name), args @ ..]) => Some((name.clone(), args)),
        ("db.fn/call", [Value::Keyword(name), args @ ..]) => {
            Some((Symbol::new(name.as_str()), args))
        }
        (name, args) if !is_reserved(name) => Some((Symbol::new(name), args)),
        _ => None,
    }
}

fn no_data(callee: &Callee, answer: &Value) -> Error {
    let name = callee.name();
    let message = format!(
        "The function {name} answered {}, expected transaction data: a vector of forms",
        show(answer)
    );
    Error::new(Code::TransactFn, message).with("function", name.clone())
}

fn over(what: &str, limit: usize) -> Error {
    let message = format!("The functions of a transaction make at most {limit} {what}");
    Error::new(Code::Limit, message).with("limit", limit)
}
