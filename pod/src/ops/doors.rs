//! The engine's doors that are not built yet, with the shape the operations expect of them.

use datalith_engine::conn::{TxData, TxReport};
use datalith_engine::db::Db;
use datalith_engine::{Code, Error, Map, Result, Value};

fn not_built<T>() -> Result<T> {
    Err(Error::new(
        Code::Unsupported,
        "The engine does not answer this yet",
    ))
}

pub(crate) fn with(_: &Db, _: &TxData) -> Result<TxReport> {
    not_built()
}

pub(crate) mod exec {
    use super::{Db, Map, Result, Value, not_built};

    #[expect(dead_code, reason = "read by the engine once it answers queries")]
    pub(crate) enum Input {
        Db(Db),
        Value(Value),
    }
    #[derive(Default)]
    pub(crate) struct QueryOptions {}

    impl QueryOptions {
        pub(crate) fn from_map(_: &Map) -> Result<QueryOptions> {
            not_built()
        }
    }

    pub(crate) struct Answer(Value);

    impl Answer {
        pub(crate) fn to_value(&self) -> Value {
            self.0.clone()
        }
    }

    pub(crate) fn q(_: &Value, _: &[Input], _: &QueryOptions) -> Result<Answer> {
        not_built().map(Answer)
    }
    pub(crate) fn explain(_: &Value, _: &[Input], _: &QueryOptions) -> Result<String> {
        not_built()
    }
    pub(crate) fn query_stats(_: &Value, _: &[Input], _: &QueryOptions) -> Result<Value> {
        not_built()
    }
}
