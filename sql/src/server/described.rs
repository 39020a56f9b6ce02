//! What a statement would answer, before its values are known.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Value as Literal, VisitorMut};
use datalith_engine::script::Allowance;
use datalith_engine::{Code, Error, Result};

use crate::fault::{inward, inward_in};
use crate::session::{Answer, Session, advised};
use crate::statement;

/// What a statement takes and answers.
pub(super) struct Described {
    pub(super) schema: Schema,
    /// The types of parameters by their names, as far as the statement says them.
    parameters: HashMap<String, Option<DataType>>,
}

impl Described {
    /// The type of a parameter, counted from 1.
    pub(super) fn parameter(&self, number: usize) -> Option<&DataType> {
        self.parameters.get(&format!("${number}"))?.as_ref()
    }
}

impl Session {
    /// What a statement takes and answers; it does not run.
    ///
    /// Errors: those of planning, also where only the values would say what is meant.
    pub(super) fn described(
        &self,
        text: &str,
        statement: &Statement,
        allowance: &Allowance,
    ) -> Result<Described> {
        let mut statement = statement.clone();
        statement::dated(&mut statement)?;
        let (_, context) = self.context()?;
        let plan = self.executor().wait(allowance, async {
            let plan = context.state().statement_to_plan(statement).await;
            plan.map_err(|error| advised(&context, inward_in(text, &error)))
        })?;
        let parameters = plan.get_parameter_types();
        Ok(Described {
            schema: plan.schema().as_arrow().clone(),
            parameters: parameters.map_err(|error| inward(&error))?,
        })
    }

    /// One text as an answer.
    pub(super) fn said(&self, name: &str, value: &str) -> Result<Answer> {
        let field = Field::new(name, DataType::Utf8, false);
        let column = Arc::new(StringArray::from(vec![value]));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]);
        let batch = batch.map_err(|cause| Error::new(Code::Internal, cause.to_string()))?;
        Ok(Answer::known(batch, self.executor()))
    }
}

/// The highest number of a parameter of a statement.
pub(super) fn places(statement: &mut Statement) -> Result<usize> {
    let mut places = Places(0);
    statement::visit(statement, &mut places)?;
    Ok(places.0)
}

struct Places(usize);

impl VisitorMut for Places {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Value(value) = expr
            && let Literal::Placeholder(name) = &value.value
            && let Some(Ok(number)) = name.strip_prefix('$').map(str::parse)
        {
            self.0 = self.0.max(number);
        }
        ControlFlow::Continue(())
    }
}
