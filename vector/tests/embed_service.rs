//! A service is asked as OpenAI and Ollama want it, asked again where that helps, and not believed.
#![cfg(feature = "embed")]
#![expect(clippy::unwrap_used, reason = "a test that stops says where")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::thread::JoinHandle;

use datalith_vector::embed::{Code, Error, Model};

/// Answers one connection after another, and gives what it was asked: head and body of each.
fn serve(answers: Vec<(&'static str, String)>) -> (String, JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let answer = |(status, body): (&str, String)| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                head.push_str(&line.to_ascii_lowercase());
                line.clear();
            }
            let length = head.split("content-length: ").nth(1).unwrap();
            let length = length.lines().next().unwrap().parse().unwrap();
            let mut asked = vec![0; length];
            reader.read_exact(&mut asked).unwrap();
            let length = body.len();
            let rest = format!("content-length: {length}\r\nconnection: close\r\n\r\n{body}");
            write!(stream, "HTTP/1.1 {status}\r\n{rest}").unwrap();
            (head, String::from_utf8(asked).unwrap())
        };
        answers.into_iter().map(answer).collect()
    });
    (url, asked)
}

fn load(text: &str) -> Result<Model, Error> {
    Model::load(&text.parse()?)
}

fn embed(model: &Model, texts: &[&str]) -> Result<Vec<f32>, Error> {
    model.embed(texts, &|_| ControlFlow::Continue(()))
}

#[test]
fn openai_form() {
    let probe = r#"{"data": [{"index": 0, "embedding": [1, 0]}], "usage": {}}"#;
    let rows =
        r#"{"data": [{"index": 1, "embedding": [3, 4.5]}, {"index": 0, "embedding": [1, 2]}]}"#;
    let (url, asked) = serve(vec![("200 OK", probe.into()), ("200 OK", rows.into())]);
    // A variable that every test process has; its value is no secret, but is treated as one.
    let model = load(&format!("openai:{url}/v1/?key-env=CARGO_PKG_NAME#small")).unwrap();
    assert_eq!(model.identity(), format!("openai:{url}/v1?dim=2#small"));
    assert_eq!(
        embed(&model, &["a \"cat\"", "b"]).unwrap(),
        [1.0, 2.0, 3.0, 4.5]
    );
    assert!(embed(&model, &[]).unwrap().is_empty());
    let asked = asked.join().unwrap();
    let (head, body) = &asked[1];
    assert!(head.starts_with("post /v1/embeddings http/1.1"), "{head}");
    assert!(
        head.contains("authorization: bearer datalith-vector\r\n"),
        "{head}"
    );
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"model": "small", "input": ["a \"cat\"", "b"]})
    );
}

#[test]
fn ollama_form_in_parts() {
    let rows = |count: usize| {
        let rows: Vec<[usize; 1]> = (0..count).map(|at| [at]).collect();
        (
            "200 OK",
            serde_json::json!({ "embeddings": rows }).to_string(),
        )
    };
    let (url, asked) = serve(vec![rows(64), rows(36)]);
    let model = load(&format!("ollama:{url}?dim=1#nomic")).unwrap();
    let heard = std::sync::Mutex::new(Vec::new());
    let watch = |done| {
        heard.lock().unwrap().push(done);
        ControlFlow::Continue(())
    };
    let found = model.embed(&["a"; 100], &watch).unwrap();
    assert_eq!(found[63..66], [63.0, 0.0, 1.0]);
    assert_eq!(heard.into_inner().unwrap(), [64, 100]);
    assert!(
        asked.join().unwrap()[0]
            .0
            .starts_with("post /api/embed http/1.1")
    );
}

#[test]
fn a_busy_service_is_asked_again() {
    let rows = r#"{"embeddings": [[1, 2]]}"#;
    let (url, asked) = serve(vec![
        (
            "429 Too Many Requests\r\nretry-after: 0",
            "slow down".into(),
        ),
        ("503 Service Unavailable", String::new()),
        ("200 OK", rows.into()),
    ]);
    let model = load(&format!("ollama:{url}?dim=2#m")).unwrap();
    assert_eq!(embed(&model, &["a"]).unwrap(), [1.0, 2.0]);
    assert_eq!(asked.join().unwrap().len(), 3);
}

#[test]
fn a_service_that_stays_busy() {
    let busy = || ("500 Oh No\r\nretry-after: 0", "try later".to_owned());
    let (url, asked) = serve((0..5).map(|_| busy()).collect());
    let model = load(&format!("ollama:{url}?dim=2#m")).unwrap();
    let error = embed(&model, &["a"]).unwrap_err();
    assert_eq!(error.code, Code::Busy);
    assert!(
        error.message.contains("500") && error.message.contains("try later"),
        "{error}"
    );
    assert_eq!(asked.join().unwrap().len(), 5);
    let (url, asked) = serve(vec![("429 Wait\r\nretry-after: 3600", String::new())]);
    let model = load(&format!("ollama:{url}?dim=2#m")).unwrap();
    let stopped = model.embed(&["a"], &|_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().code, Code::Interrupted);
    asked.join().unwrap();
}

#[test]
fn a_refusal_never_shows_the_key() {
    let refusal = "no such key: datalith-vector".to_owned();
    let (url, asked) = serve(vec![("401 Unauthorized", refusal)]);
    let error = load(&format!("openai:{url}?key-env=CARGO_PKG_NAME#m")).unwrap_err();
    assert_eq!(error.code, Code::Service);
    assert!(error.message.contains("no such key: …"), "{error}");
    assert!(
        !format!("{error:?}").contains("datalith-vector"),
        "{error:?}"
    );
    asked.join().unwrap();
    let error = load(&format!("openai:{url}?key-env=NO_SUCH_VARIABLE#m")).unwrap_err();
    assert_eq!(error.code, Code::Source);
    // No one listens any more.
    let error = load(&format!("openai:{url}#m")).unwrap_err();
    assert_eq!(error.code, Code::Service, "{error}");
}

#[test]
fn answers_that_are_no_vectors() {
    for (answer, message) in [
        (r#"{"embeddings": [[1, 2]]}"#, "2 texts with 1 vectors"),
        (r#"{"embeddings": [[1, 2], [3]]}"#, "1 numbers, expected 2"),
        (r#"{"embeddings": [[1, 2], []]}"#, "0 numbers, expected 2"),
        (
            r#"{"embeddings": [[1, 2], [1, "x"]]}"#,
            "something else than vectors",
        ),
        (r#"{"embeddings": [[1, 2], [1, 1e39]]}"#, "not finite"),
        (
            r#"{"embeddings": [[1, 2], [1"#,
            "something else than vectors",
        ),
        ("<html>", "something else than vectors"),
        ("", "something else than vectors"),
    ] {
        let (url, asked) = serve(vec![("200 OK", answer.into())]);
        let model = load(&format!("ollama:{url}?dim=2#m")).unwrap();
        let error = embed(&model, &["a", "b"]).unwrap_err();
        assert_eq!(error.code, Code::Answer, "{answer}");
        assert!(error.message.contains(message), "{error}");
        asked.join().unwrap();
    }
    let twice = r#"{"data": [{"index": 1, "embedding": [1]}, {"index": 1, "embedding": [1]}]}"#;
    let (url, asked) = serve(vec![
        ("200 OK", twice.into()),
        ("302 Found\r\nlocation: /", String::new()),
    ]);
    let model = load(&format!("openai:{url}?dim=1#m")).unwrap();
    assert_eq!(embed(&model, &["a", "b"]).unwrap_err().code, Code::Answer);
    assert_eq!(embed(&model, &["a", "b"]).unwrap_err().code, Code::Service);
    asked.join().unwrap();
}

#[test]
fn an_answer_is_bounded() {
    let long = " ".repeat((64 << 20) + 1);
    let (url, asked) = serve(vec![("200 OK", long)]);
    let model = load(&format!("ollama:{url}?dim=2#m")).unwrap();
    let error = embed(&model, &["a"]).unwrap_err();
    assert_eq!(error.code, Code::Answer);
    assert!(
        error.message.contains("more than 67108864 bytes"),
        "{error}"
    );
    // The server may or may not get rid of the whole of it.
    let _ = asked.join();
}
