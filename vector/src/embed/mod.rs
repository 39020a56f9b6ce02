//! Texts to vectors: what `:db.embed/model` names is loaded here and asked for rows of `f32`.
//!
//! In: a [`Source`] and texts. Out: `[texts × dim]`, row-major, with the identity of what made them.
//! Three kinds of source: a sentence-transformers directory whose model runs in this process, an HTTP
//! service that speaks as OpenAI's or Ollama's does, and a command. Nothing here stores a vector,
//! caches one, or fetches a model from a hub.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use datalith_vector::embed::{Model, Source};
//!
//! let source: Source = "dir:/models/all-MiniLM-L6-v2".parse()?;
//! let model = Model::load(&source)?;
//! let rows = model.embed(&["a cat", "a dog"], &|_done| ControlFlow::Continue(()))?;
//! assert_eq!(rows.len(), 2 * model.dim());
//! # Ok::<(), datalith_vector::embed::Error>(())
//! ```

mod bert;
mod command;
mod directory;
mod error;
mod http;
mod kernels;
pub mod limits;
mod local;
mod model;
mod source;
mod tokens;
mod weights;

pub use error::{Code, Error};
pub use model::{Model, Watch};
pub use source::{Form, Service, Source};
