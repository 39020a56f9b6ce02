//! The models of texts that this binary has: what the engine asks of one, answered by the vector crate.

use std::env;
use std::ops::ControlFlow;
use std::sync::Arc;

use datalith_engine::embed::{self, TextModel, TextWatch};
use datalith_engine::{Code, Error, Result, Value};
use datalith_vector::embed::{Code as ModelCode, Error as ModelError, Model, Source};

/// The variable that says which kinds of models a database may name: those of directories, unless it
/// says more. A database of somebody else could name a command.
const ALLOWED: &str = "DATALITH_EMBED";

/// Lets databases have the models that their schemas name.
pub fn install() {
    embed::install(Arc::new(|source| {
        let source: Source = source.parse().map_err(|error| failed(&error))?;
        let kind = match &source {
            Source::Directory(_) => "dir",
            Source::Http(_) => "service",
            Source::Command(_) => "command",
        };
        let allowed = env::var(ALLOWED).unwrap_or_else(|_| "dir".to_owned());
        if !allowed.split(',').any(|one| one.trim() == kind) {
            let message = format!(
                "a {kind} is not used as a model unless {ALLOWED} allows it, as in {ALLOWED}=dir,{kind}"
            );
            return Err(Error::new(Code::EmbedModel, message).with("kind", Value::keyword(kind)));
        }
        let model = Model::load(&source).map_err(|error| failed(&error))?;
        Ok(Arc::new(Loaded(model)) as Arc<dyn TextModel>)
    }));
}

struct Loaded(Model);

impl TextModel for Loaded {
    fn identity(&self) -> &str {
        self.0.identity()
    }

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn embed(&self, texts: &[&str], watch: TextWatch<'_>) -> Result<Vec<f32>> {
        let heard = |done| -> ControlFlow<()> { watch(done) };
        self.0.embed(texts, &heard).map_err(|error| failed(&error))
    }
}

fn failed(error: &ModelError) -> Error {
    let code = match error.code {
        ModelCode::Interrupted => Code::QueryCanceled,
        _ => Code::EmbedModel,
    };
    Error::new(code, error.to_string()).with("cause", Value::keyword(error.code.keyword()))
}
