//! A service that turns texts into vectors, asked over HTTP in the form of OpenAI or of Ollama.
//!
//! Requests go one after another. Of a key only the name of its variable is ever shown.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::error::{Code, Error};
use super::limits::{
    ANSWER_BYTES_MAX, BACKOFF_MS_FIRST, BACKOFF_MS_MAX, COMPLAINT_BYTES_MAX, CONNECT_MS_MAX,
    DIM_MAX, REQUEST_BYTES_MAX, REQUEST_MS_MAX, REQUEST_TEXTS_MAX, TRIES_MAX, WATCH_MS,
};
use super::model::Watch;
use super::source::{Form, Service};

/// A service, and the key it was given.
pub(crate) struct Client {
    agent: Agent,
    service: Service,
    key: Option<String>,
    /// Numbers of a vector.
    pub(crate) dim: usize,
    /// The service's text, without its key's variable.
    pub(crate) identity: String,
}

#[derive(Deserialize)]
struct OpenAiAnswer {
    data: Vec<OpenAiRow>,
}

#[derive(Deserialize)]
struct OpenAiRow {
    index: usize,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct OllamaAnswer {
    embeddings: Vec<Vec<f32>>,
}

/// What one try came to.
enum Tried {
    Answered(Vec<u8>),
    /// Worth another try, after so many milliseconds where the service says so.
    Later(Error, Option<u64>),
}

impl Client {
    /// Reads the key, and asks for one vector where `dim` is not declared.
    pub(crate) fn load(service: &Service) -> Result<Client, Error> {
        let key = service.key_env.as_deref().map(read_key).transpose()?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_millis(CONNECT_MS_MAX)))
            .timeout_global(Some(Duration::from_millis(REQUEST_MS_MAX)))
            .build();
        let mut client = Client {
            agent: config.new_agent(),
            service: service.clone(),
            key,
            dim: service.dim.unwrap_or(0),
            identity: String::new(),
        };
        if service.dim.is_none() {
            let rows = client.request(&["a"], 0, &|_| ControlFlow::Continue(()))?;
            client.dim = rows[0].len();
        }
        let named = Service {
            key_env: None,
            dim: Some(client.dim),
            ..service.clone()
        };
        client.identity = named.to_string();
        Ok(client)
    }

    /// See [`super::Model::embed`].
    pub(crate) fn embed(&self, texts: &[&str], watch: Watch) -> Result<Vec<f32>, Error> {
        let mut out = Vec::with_capacity(texts.len() * self.dim);
        let mut done = 0;
        while done < texts.len() {
            let part = &texts[done..][..part_len(&texts[done..])];
            for row in self.request(part, done, watch)? {
                out.extend(row);
            }
            done += part.len();
            if watch(done).is_break() {
                return Err(Error::interrupted(done));
            }
        }
        Ok(out)
    }

    /// One row for each text, all of one length, and of `dim` where that is known already.
    fn request(&self, texts: &[&str], done: usize, watch: Watch) -> Result<Vec<Vec<f32>>, Error> {
        let body = serde_json::json!({ "model": self.service.model, "input": texts }).to_string();
        let mut backoff_ms = BACKOFF_MS_FIRST;
        let mut tries = 1;
        let answer = loop {
            match self.attempt(&body)? {
                Tried::Answered(answer) => break answer,
                Tried::Later(error, _) if tries == TRIES_MAX => {
                    return Err(error.with("tries", tries));
                }
                Tried::Later(_, asked_ms) => {
                    let wait_ms = asked_ms.unwrap_or(backoff_ms).min(BACKOFF_MS_MAX);
                    wait(wait_ms, done, watch)?;
                    backoff_ms *= 2;
                    tries += 1;
                }
            }
        };
        let rows = match self.service.form {
            Form::OpenAi => self.parse(&answer).and_then(|answer| self.in_order(answer)),
            Form::Ollama => self
                .parse(&answer)
                .map(|answer: OllamaAnswer| answer.embeddings),
        }?;
        self.check(rows, texts.len())
    }

    fn attempt(&self, body: &str) -> Result<Tried, Error> {
        let path = match self.service.form {
            Form::OpenAi => "embeddings",
            Form::Ollama => "api/embed",
        };
        let mut request = self
            .agent
            .post(format!("{}/{path}", self.service.url))
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        match request.send(body) {
            Ok(response) => self.receive(response),
            Err(error) => self.failed(error),
        }
    }

    fn receive(&self, mut response: Response<Body>) -> Result<Tried, Error> {
        let status = response.status();
        if status.is_success() {
            let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
            return match body.read_to_vec() {
                Ok(answer) => Ok(Tried::Answered(answer)),
                Err(error) => self.failed(error),
            };
        }
        let asked_ms = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1000));
        let why = format!("answers {status}: {}", self.complaint(&mut response));
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Ok(Tried::Later(self.error(Code::Busy, &why), asked_ms));
        }
        Err(self
            .error(Code::Service, &why)
            .with("status", status.as_u16()))
    }

    fn failed(&self, error: ureq::Error) -> Result<Tried, Error> {
        match error {
            ureq::Error::Timeout(_) => Err(self.error(Code::Busy, "is late")),
            ureq::Error::BodyExceedsLimit(most) => {
                let why = format!("answers with more than {most} bytes");
                Err(self.error(Code::Answer, &why))
            }
            // A connection that was kept open may have been closed meanwhile.
            ureq::Error::Io(why) if why.kind() != std::io::ErrorKind::ConnectionRefused => {
                let why = format!("cannot be asked: {why}");
                Ok(Tried::Later(self.error(Code::Service, &why), None))
            }
            other => Err(self.error(Code::Service, &format!("cannot be asked: {other}"))),
        }
    }

    /// The beginning of what a service says about a refusal; a key that it repeats is taken out.
    fn complaint(&self, response: &mut Response<Body>) -> String {
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let said = body.read_to_vec().unwrap_or_default();
        let mut said = String::from_utf8_lossy(&said).trim().to_owned();
        if let Some(key) = &self.key {
            said = said.replace(key, "…");
        }
        let end = said.floor_char_boundary(COMPLAINT_BYTES_MAX);
        said.truncate(end);
        said
    }

    fn parse<'a, T: Deserialize<'a>>(&self, answer: &'a [u8]) -> Result<T, Error> {
        serde_json::from_slice(answer).map_err(|error| {
            self.error(
                Code::Answer,
                &format!("answers with something else than vectors: {error}"),
            )
        })
    }

    fn in_order(&self, answer: OpenAiAnswer) -> Result<Vec<Vec<f32>>, Error> {
        let mut rows = answer.data;
        rows.sort_by_key(|row| row.index);
        match rows.iter().enumerate().find(|(at, row)| row.index != *at) {
            None => Ok(rows.into_iter().map(|row| row.embedding).collect()),
            Some((at, _)) => Err(self.error(Code::Answer, &format!("leaves out the index {at}"))),
        }
    }

    fn check(&self, rows: Vec<Vec<f32>>, texts: usize) -> Result<Vec<Vec<f32>>, Error> {
        if rows.len() != texts {
            let why = format!("answers {texts} texts with {} vectors", rows.len());
            return Err(self.error(Code::Answer, &why));
        }
        let expected = if self.dim == 0 {
            rows[0].len()
        } else {
            self.dim
        };
        let fits = |row: &&Vec<f32>| row.len() != expected || !(1..=DIM_MAX).contains(&row.len());
        match rows.iter().find(fits) {
            None => Ok(rows),
            Some(row) => {
                let expected = if self.dim == 0 { DIM_MAX } else { self.dim };
                let why = format!("answers with {} numbers, expected {expected}", row.len());
                Err(self.error(Code::Answer, &why))
            }
        }
    }

    fn error(&self, code: Code, why: &str) -> Error {
        let Service { url, model, .. } = &self.service;
        Error::of(code, format!("the service {url} {why}"))
            .with("url", url)
            .with("model", model)
    }
}

fn read_key(name: &str) -> Result<String, Error> {
    let missing = |why: &str| {
        let message = format!("the environment variable {name}, which should hold a key, {why}");
        Error::of(Code::Source, message).with("variable", name)
    };
    let key = std::env::var(name).map_err(|_| missing("is not set"))?;
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(missing("is empty or not of visible ASCII letters"));
    }
    Ok(key.to_owned())
}

/// How many of the first texts go into one request: at least one.
fn part_len(texts: &[&str]) -> usize {
    let mut bytes = 0;
    let fitting = texts.iter().take(REQUEST_TEXTS_MAX).take_while(|text| {
        bytes += text.len();
        bytes <= REQUEST_BYTES_MAX
    });
    fitting.count().max(1)
}

fn wait(wait_ms: u64, done: usize, watch: Watch) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_millis(wait_ms);
    loop {
        if watch(done).is_break() {
            return Err(Error::interrupted(done));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(WATCH_MS)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_bounded() {
        let long = "x".repeat(REQUEST_BYTES_MAX + 1);
        assert_eq!(part_len(&["a"; 3]), 3);
        assert_eq!(part_len(&["a"; 1000]), REQUEST_TEXTS_MAX);
        assert_eq!(part_len(&["a", &long]), 1);
        assert_eq!(part_len(&[&long, "a"]), 1);
    }
}
