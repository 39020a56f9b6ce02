//! Models that make vectors of texts: what the engine asks of them, and where it finds them.
//!
//! The engine has none of its own. Whoever embeds it, as the binary does, installs a loader that makes
//! a model of the text an attribute declares as `:db.embed/model`; a model is loaded once and kept.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Code, Error, Result};
use crate::limits::EMBED_MODELS;

/// Hears how many texts are done, and may end the work.
pub type TextWatch<'w> = &'w (dyn Fn(usize) -> ControlFlow<()> + Sync);

/// A model that makes vectors of texts.
pub trait TextModel: Send + Sync {
    /// What tells it from every other model: equal identities give equal vectors.
    fn identity(&self) -> &str;

    /// Numbers of a vector.
    fn dim(&self) -> usize;

    /// A row for each text, in order: `[texts × dim]`, row-major, all numbers finite.
    fn embed(&self, texts: &[&str], watch: TextWatch<'_>) -> Result<Vec<f32>>;
}

/// Makes a model of what `:db.embed/model` says.
pub type LoadModel = dyn Fn(&str) -> Result<Arc<dyn TextModel>> + Send + Sync;

struct Installed {
    load: Arc<LoadModel>,
    models: HashMap<String, Arc<dyn TextModel>>,
}

static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

fn installed() -> MutexGuard<'static, Option<Installed>> {
    // What it guards is changed in one step, so a panic elsewhere leaves it whole.
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets all databases of this process have models; takes the place of what was installed before.
pub fn install(load: Arc<LoadModel>) {
    *installed() = Some(Installed {
        load,
        models: HashMap::new(),
    });
}

/// Whether there is a loader.
pub fn is_installed() -> bool {
    installed().is_some()
}

/// The model that a text names, loaded when it is first asked for.
///
/// Fails with [`Code::EmbedModel`] where no loader is installed, and as the loader does.
pub fn model(source: &str) -> Result<Arc<dyn TextModel>> {
    let load = {
        let mut installed = installed();
        let Some(installed) = installed.as_mut() else {
            let message = "this build makes no vectors of texts: build it with the feature `embed`";
            return Err(Error::new(Code::EmbedModel, message).with("model", source));
        };
        if let Some(model) = installed.models.get(source) {
            return Ok(Arc::clone(model));
        }
        Arc::clone(&installed.load)
    };
    let model = load(source)?;
    if let Some(installed) = installed().as_mut() {
        if installed.models.len() >= EMBED_MODELS {
            installed.models.clear();
        }
        installed
            .models
            .insert(source.to_owned(), Arc::clone(&model));
    }
    Ok(model)
}
