//! Where a model is, as the text that an attribute declares as `:db.embed/model`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::{Code, Error};
use super::limits::DIM_MAX;

/// Where a model is.
///
/// | text | means |
/// |---|---|
/// | `dir:/models/bge-small`, `/models/bge-small` | a sentence-transformers directory |
/// | `openai:https://host/v1?key-env=OPENAI_API_KEY&dim=256#model` | `POST https://host/v1/embeddings` |
/// | `ollama:http://localhost:11434#model` | `POST http://localhost:11434/api/embed` |
/// | `command:program arg arg` | a program, its arguments split at spaces |
/// | `command:["program", "an arg"]` | the same as JSON, for arguments with spaces |
///
/// A source of a database is the word of whoever wrote that database: a caller that opens foreign
/// ones asks before it loads a `command:` or sends texts to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A sentence-transformers directory.
    Directory(PathBuf),
    /// A service.
    Http(Service),
    /// A program and its arguments; never empty when parsed.
    Command(Vec<String>),
}

/// How a service wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `POST {url}/embeddings`, answered by `data[].embedding`.
    OpenAi,
    /// `POST {url}/api/embed`, answered by `embeddings`.
    Ollama,
}

/// A service that turns texts into vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// How it wants to be asked.
    pub form: Form,
    /// `http://` or `https://`, without the last part of the path and without `/` at the end.
    pub url: String,
    /// The model that each request names.
    pub model: String,
    /// The environment variable that holds the key, read when the model is loaded.
    pub key_env: Option<String>,
    /// Numbers of a vector; where it is not declared, loading asks the service for one vector.
    pub dim: Option<usize>,
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Source, Error> {
        let text = text.trim();
        let parsed = match text.split_once(':') {
            Some(("dir", path)) => directory(path),
            Some(("openai", rest)) => service(Form::OpenAi, rest).map(Source::Http),
            Some(("ollama", rest)) => service(Form::Ollama, rest).map(Source::Http),
            Some(("command", rest)) => command(rest).map(Source::Command),
            Some(("http" | "https", _)) => {
                Err("a service is named `openai:URL#model` or `ollama:URL#model`".to_owned())
            }
            _ => directory(text),
        };
        // The text itself is not repeated: someone may have written a key into it.
        parsed.map_err(|why| {
            Error::of(
                Code::Source,
                format!("no model is named by this text: {why}"),
            )
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Directory(path) => write!(f, "dir:{}", path.display()),
            Source::Http(service) => write!(f, "{service}"),
            Source::Command(words) => write!(f, "command:{}", serde_json::json!(words)),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::OpenAi => "openai",
            Form::Ollama => "ollama",
        };
        write!(f, "{form}:{}", self.url)?;
        let key = self.key_env.as_ref().map(|name| format!("key-env={name}"));
        let dim = self.dim.map(|dim| format!("dim={dim}"));
        let options: Vec<String> = key.into_iter().chain(dim).collect();
        if !options.is_empty() {
            write!(f, "?{}", options.join("&"))?;
        }
        write!(f, "#{}", self.model)
    }
}

fn directory(path: &str) -> Result<Source, String> {
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(Source::Directory(PathBuf::from(path)))
}

fn service(form: Form, rest: &str) -> Result<Service, String> {
    let (address, model) = rest
        .split_once('#')
        .ok_or("the model is missing: `#model` at the end")?;
    let (url, options) = address.split_once('?').unwrap_or((address, ""));
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .ok_or("the address must begin with http:// or https://")?;
    let host = host.split('/').next().unwrap_or_default();
    if host.is_empty() || model.is_empty() {
        return Err("the host or the model is empty".to_owned());
    }
    if host.contains('@') {
        return Err(
            "a key is named by `?key-env=VARIABLE`, never written into the address".to_owned(),
        );
    }
    let mut service = Service {
        form,
        url: url.trim_end_matches('/').to_owned(),
        model: model.to_owned(),
        key_env: None,
        dim: None,
    };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("key-env", name)) if !name.is_empty() => service.key_env = Some(name.to_owned()),
            Some(("dim", text)) => service.dim = Some(dim(text)?),
            _ => return Err("the options are `key-env=VARIABLE` and `dim=NUMBER`".to_owned()),
        }
    }
    Ok(service)
}

fn dim(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|dim| (1..=DIM_MAX).contains(dim))
        .ok_or(format!("`dim` must be a number from 1 to {DIM_MAX}"))
}

fn command(rest: &str) -> Result<Vec<String>, String> {
    let rest = rest.trim();
    let words: Vec<String> = if rest.starts_with('[') {
        serde_json::from_str(rest)
            .map_err(|error| format!("the command is no JSON array of strings: {error}"))?
    } else {
        rest.split_whitespace().map(str::to_owned).collect()
    };
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err("the command names no program".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, written: &str) {
        let source: Source = text.parse().unwrap();
        assert_eq!(source.to_string(), written);
        assert_eq!(written.parse::<Source>().unwrap(), source);
    }

    #[test]
    fn sources_are_read_and_written() {
        check("/models/a b", "dir:/models/a b");
        check("dir:models", "dir:models");
        check(
            "ollama:http://localhost:11434/#all-minilm",
            "ollama:http://localhost:11434#all-minilm",
        );
        check(
            "openai:https://host/v1?dim=256&key-env=KEY#text-embedding-3-small",
            "openai:https://host/v1?key-env=KEY&dim=256#text-embedding-3-small",
        );
        check("command:embed  --fast", r#"command:["embed","--fast"]"#);
        check(r#"command:["my embed"]"#, r#"command:["my embed"]"#);
    }

    #[test]
    fn sources_that_name_nothing() {
        for text in [
            "",
            "dir:",
            "openai:https://host/v1",
            "openai:host#m",
            "openai:https://#m",
            "openai:https://host?key=secret#m",
            "openai:https://host?dim=0#m",
            "openai:https://host?dim=99999999#m",
            "ollama:http://me:secret@host#m",
            "https://host/v1#m",
            "command:",
            "command:[\"\"]",
            "command:[1]",
        ] {
            let error = text.parse::<Source>().unwrap_err();
            assert_eq!(error.code, Code::Source, "{text}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }
}
