//! Errors on their way between the engine and DataFusion.

use datafusion::common::{DataFusionError, SchemaError};
use datalith_engine::{Code, Error};

/// An error of the engine as DataFusion carries it.
pub(crate) fn outward(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What DataFusion gave up with as an error of ours: the engine's own where it is the cause.
pub(crate) fn inward(error: &DataFusionError) -> Error {
    let root = error.find_root();
    match root {
        DataFusionError::External(cause) => match cause.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::new(Code::SqlFailed, cause.to_string()),
        },
        DataFusionError::SQL(cause, _) => {
            Error::new(Code::SqlSyntax, first_line(&cause.to_string()))
        }
        DataFusionError::Plan(message) => Error::new(Code::SqlStatement, first_line(message)),
        DataFusionError::SchemaError(cause, _) => {
            Error::new(Code::SqlStatement, schema_text(cause))
        }
        DataFusionError::NotImplemented(message) => {
            Error::new(Code::Unsupported, first_line(message))
        }
        DataFusionError::ResourcesExhausted(message) => {
            Error::new(Code::QueryMemory, first_line(message))
        }
        DataFusionError::Internal(message) => Error::new(Code::Internal, first_line(message)),
        other => Error::new(Code::SqlFailed, first_line(&other.strip_backtrace())),
    }
}

fn schema_text(cause: &SchemaError) -> String {
    first_line(&cause.to_string())
}

fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.trim_end_matches('.').to_owned()
}
