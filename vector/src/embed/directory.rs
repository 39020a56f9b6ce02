//! The files of a sentence-transformers directory: what they say, checked, and their digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Code, Error};
use super::limits::{
    DIM_MAX, JSON_BYTES_MAX, LAYERS_MAX, POSITIONS_MAX, VOCABULARY_MAX, WEIGHTS_BYTES_MAX, WIDE_MAX,
};

/// Everything that a directory holds, checked against the limits but not against the weights.
pub(crate) struct Directory {
    pub(crate) shape: Shape,
    pub(crate) activation: Activation,
    pub(crate) settings: Settings,
    /// The bytes of `tokenizer.json`.
    pub(crate) tokenizer: Vec<u8>,
    /// The bytes of `model.safetensors`.
    pub(crate) weights: Vec<u8>,
    /// Digest of all the above: equal for equal answers.
    pub(crate) identity: String,
}

/// Sizes of a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) wide: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) vocabulary: usize,
    pub(crate) positions: usize,
    pub(crate) types: usize,
    /// What is added to a squared deviation before its root is taken.
    pub(crate) epsilon: f32,
}

/// What stands between the two dense steps of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x · Φ(x)`.
    Gelu,
    /// The same with Φ approximated by tanh.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// How the rows of a text's word pieces become one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    Mean,
    Cls,
    Max,
}

/// What happens to a text before and after the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) pooling: Pooling,
    /// Whether a row is brought to length 1.
    pub(crate) normalize: bool,
    /// Whether a text is lowercased before the tokenizer sees it.
    pub(crate) lowercase: bool,
    /// What stands before each text.
    pub(crate) prompt: String,
    /// Word pieces of a text, those around it included; the rest is cut off.
    pub(crate) tokens_max: usize,
}

#[derive(Deserialize)]
struct Config {
    model_type: Option<String>,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

#[derive(Deserialize)]
struct Step {
    path: String,
    r#type: String,
}

#[derive(Default, Deserialize)]
struct Cut {
    max_seq_length: Option<f64>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    model_max_length: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

/// Reads a directory. Errors: `Code::Model`, `Code::Unsupported`.
pub(crate) fn read(folder: &Path) -> Result<Directory, Error> {
    let config_bytes = bytes(&folder.join("config.json"), JSON_BYTES_MAX)?;
    let config: Config = parse(&folder.join("config.json"), &config_bytes)?;
    let shape = config.shape()?;
    let activation = config.activation()?;
    let settings = settings(folder, &shape)?;
    let tokenizer = bytes(&folder.join("tokenizer.json"), JSON_BYTES_MAX)?;
    let weights = bytes(&folder.join("model.safetensors"), WEIGHTS_BYTES_MAX)?;
    let mut digest = blake3::Hasher::new();
    let said = format!("{settings:?}");
    for part in [&config_bytes[..], &tokenizer, &weights, said.as_bytes()] {
        digest.update(&(part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    Ok(Directory {
        shape,
        activation,
        settings,
        tokenizer,
        weights,
        identity: format!("blake3:{}", digest.finalize()),
    })
}

impl Config {
    fn shape(&self) -> Result<Shape, Error> {
        let kind = self.model_type.as_deref().unwrap_or("none");
        if kind != "bert" {
            let message = format!("models of type `bert` are run, this one is of type `{kind}`");
            return Err(Error::of(Code::Unsupported, message));
        }
        let positions = self.position_embedding_type.as_deref();
        if self.is_decoder || !matches!(positions, None | Some("absolute")) {
            let message = "of BERT, encoders with absolute positions are run; this is another";
            return Err(Error::of(Code::Unsupported, message));
        }
        within("hidden_size", self.hidden_size, DIM_MAX)?;
        within("intermediate_size", self.intermediate_size, WIDE_MAX)?;
        within("num_hidden_layers", self.num_hidden_layers, LAYERS_MAX)?;
        within(
            "num_attention_heads",
            self.num_attention_heads,
            self.hidden_size,
        )?;
        within("vocab_size", self.vocab_size, VOCABULARY_MAX)?;
        within(
            "max_position_embeddings",
            self.max_position_embeddings,
            POSITIONS_MAX,
        )?;
        let types = self.type_vocab_size.unwrap_or(2);
        within("type_vocab_size", types, VOCABULARY_MAX)?;
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let message = format!(
                "a hidden_size of {} cannot be split among {} heads",
                self.hidden_size, self.num_attention_heads
            );
            return Err(Error::of(Code::Model, message));
        }
        let epsilon = self.layer_norm_eps.unwrap_or(1e-12);
        if !(0.0..1.0).contains(&epsilon) {
            let message = format!("layer_norm_eps is {epsilon}, expected 0 to 1");
            return Err(Error::of(Code::Model, message));
        }
        Ok(Shape {
            hidden: self.hidden_size,
            wide: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            vocabulary: self.vocab_size,
            positions: self.max_position_embeddings,
            types,
            epsilon: epsilon as f32,
        })
    }

    fn activation(&self) -> Result<Activation, Error> {
        match self.hidden_act.as_deref().unwrap_or("gelu") {
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            other => {
                let known = "`gelu`, `gelu_new`, `gelu_pytorch_tanh` and `relu`";
                let message = format!("the activations {known} are run, not `{other}`");
                Err(Error::of(Code::Unsupported, message))
            }
        }
    }
}

fn settings(folder: &Path, shape: &Shape) -> Result<Settings, Error> {
    let steps: Option<Vec<Step>> = optional(&folder.join("modules.json"))?;
    // As sentence-transformers does for a model without modules: the mean, as it is.
    let (mut pooling, mut normalize) = (Pooling::Mean, false);
    for step in steps.into_iter().flatten() {
        match step.r#type.rsplit('.').next().unwrap_or_default() {
            "Transformer" if step.path.is_empty() => {}
            "Pooling" => pooling = read_pooling(&inside(folder, &step.path)?)?,
            "Normalize" => normalize = true,
            other => {
                let message = format!("modules.json names the step `{other}` at `{}`", step.path);
                let known = "Transformer at the top, Pooling and Normalize are run";
                return Err(Error::of(Code::Unsupported, format!("{message}; {known}")));
            }
        }
    }
    let cut: Cut = optional(&folder.join("sentence_bert_config.json"))?.unwrap_or_default();
    let tokenizer: TokenizerConfig =
        optional(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
    let said = cut.max_seq_length.or(tokenizer.model_max_length);
    let prompts = folder.join("config_sentence_transformers.json");
    let mut prompts: Prompts = optional(&prompts)?.unwrap_or_default();
    let prompt = match prompts.default_prompt_name {
        None => String::new(),
        Some(name) => prompts.prompts.remove(&name).ok_or_else(|| {
            Error::of(
                Code::Model,
                format!("the default prompt `{name}` has no text"),
            )
        })?,
    };
    Ok(Settings {
        pooling,
        normalize,
        lowercase: cut.do_lower_case,
        prompt,
        // Some tokenizers say 1e30 for "no limit"; `as` saturates.
        tokens_max: said.map_or(shape.positions, |most| (most as usize).min(shape.positions)),
    })
}

fn read_pooling(folder: &Path) -> Result<Pooling, Error> {
    let path = folder.join("config.json");
    let says: serde_json::Value = parse(&path, &bytes(&path, JSON_BYTES_MAX)?)?;
    let mut modes: Vec<&str> = match says.get("pooling_mode") {
        Some(serde_json::Value::Array(modes)) => modes.iter().filter_map(|m| m.as_str()).collect(),
        Some(mode) => mode.as_str().into_iter().collect(),
        None => Vec::new(),
    };
    for (key, mode) in says.as_object().into_iter().flatten() {
        if let (Some(name), Some(true)) = (key.strip_prefix("pooling_mode_"), mode.as_bool()) {
            modes.push(name);
        }
    }
    match modes[..] {
        [] | ["mean" | "mean_tokens"] => Ok(Pooling::Mean),
        ["cls" | "cls_token"] => Ok(Pooling::Cls),
        ["max" | "max_tokens"] => Ok(Pooling::Max),
        _ => {
            let message = format!("pooling by one of mean, cls and max is run, not by {modes:?}");
            Err(Error::of(Code::Unsupported, message))
        }
    }
}

fn within(name: &'static str, value: usize, most: usize) -> Result<(), Error> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    let message = format!("config.json: {name} is {value}, expected 1 to {most}");
    Err(Error::of(Code::Model, message).with("key", name))
}

/// A folder that `modules.json` names; it may not lead outside.
fn inside(folder: &Path, path: &str) -> Result<std::path::PathBuf, Error> {
    let path = Path::new(path);
    if path
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return Ok(folder.join(path));
    }
    let message = format!(
        "modules.json leads outside of its folder: {}",
        path.display()
    );
    Err(Error::of(Code::Model, message))
}

fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    parse(path, &bytes(path, JSON_BYTES_MAX)?).map(Some)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| file_error(path, &error.to_string()))
}

fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| file_error(path, &error.to_string());
    // Asked before it is opened: opening a pipe would wait for its writer.
    let length = match std::fs::metadata(path).map_err(failed)? {
        found if found.is_file() => found.len(),
        _ => return Err(file_error(path, "expected a file")),
    };
    if length > most {
        return Err(file_error(
            path,
            &format!("{length} bytes, expected at most {most}"),
        ));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    let file = File::open(path).map_err(failed)?;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn file_error(path: &Path, why: &str) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let message = format!("{name} of the model cannot be read: {why}");
    Error::of(Code::Model, message).with("path", path.display())
}
