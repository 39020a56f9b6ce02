//! The engine's doors that are not built yet, with the shape the operations expect of them.

use datalith_engine::conn::{TxData, TxReport};
use datalith_engine::datom::Datom;
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

pub(crate) mod pull {
    use super::{Db, Result, Value, not_built};

    pub(crate) fn pull(_: &Db, _: &Value, _: &Value) -> Result<Option<Value>> {
        not_built()
    }
    pub(crate) fn pull_many(_: &Db, _: &Value, _: &Value) -> Result<Value> {
        not_built()
    }
    pub(crate) fn entity(_: &Db, _: &Value) -> Result<Option<Value>> {
        not_built()
    }
}

pub(crate) mod lookup {
    use super::{Datom, Db, Result, Value, not_built};

    pub(crate) struct Index;

    impl Index {
        pub(crate) fn from_value(_: &Value) -> Result<Index> {
            not_built()
        }
    }

    pub(crate) fn datoms(_: &Db, _: Index, _: &[Value]) -> Result<Vec<Datom>> {
        not_built()
    }
    pub(crate) fn seek_datoms(_: &Db, _: Index, _: &[Value]) -> Result<Vec<Datom>> {
        not_built()
    }
    pub(crate) fn rseek_datoms(_: &Db, _: Index, _: &[Value]) -> Result<Vec<Datom>> {
        not_built()
    }
    pub(crate) fn index_range(_: &Db, _: &Value, _: &Value, _: &Value) -> Result<Vec<Datom>> {
        not_built()
    }
    pub(crate) fn schema_map(_: &Db) -> Result<Value> {
        not_built()
    }
    pub(crate) fn reverse_schema(_: &Db) -> Result<Value> {
        not_built()
    }
    pub(crate) fn metrics(_: &Db) -> Result<Value> {
        not_built()
    }
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
