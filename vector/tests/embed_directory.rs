//! A directory's model against the vectors that sentence-transformers made with it, and against
//! files that are absent, torn, huge or contradict one another.
#![cfg(feature = "embed")]
#![expect(clippy::unwrap_used, reason = "a test that stops says where")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use datalith_vector::embed::{Code, Error, Model, Source, limits};
use tempfile::TempDir;

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny-bert")
}

fn load(folder: &Path) -> Result<Model, Error> {
    Model::load(&Source::Directory(folder.to_owned()))
}

fn embed(model: &Model, texts: &[&str]) -> Result<Vec<f32>, Error> {
    model.embed(texts, &|_| ControlFlow::Continue(()))
}

/// A copy of the model that a test may spoil.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    for name in [
        "config.json",
        "modules.json",
        "model.safetensors",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "1_Pooling/config.json",
    ] {
        fs::copy(tiny().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// The copy with `from` replaced by `to` in one of its files.
fn changed(file: &str, from: &str, to: &str) -> TempDir {
    let folder = copy();
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replace(from, to)).unwrap();
    folder
}

fn expected() -> (Vec<String>, serde_json::Value) {
    let json = fs::read(tiny().join("expected.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let texts = json["texts"].as_array().unwrap().iter();
    let texts = texts.map(|text| text.as_str().unwrap().to_owned());
    (texts.collect(), json["rows"].clone())
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let (texts, expected) = expected();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for pooling in ["mean_tokens", "cls_token", "max_tokens"] {
        let folder = copy();
        let says = format!("{{\"pooling_mode_{pooling}\": true}}");
        fs::write(folder.path().join("1_Pooling/config.json"), says).unwrap();
        let model = load(folder.path()).unwrap();
        assert_eq!(model.dim(), 32);
        let rows = embed(&model, &texts).unwrap();
        let expected = expected[pooling].as_array().unwrap();
        assert_eq!(rows.len(), expected.len() * 32);
        for (at, (row, expected)) in rows.chunks(32).zip(expected).enumerate() {
            for (found, expected) in row.iter().zip(expected.as_array().unwrap()) {
                let expected = expected.as_f64().unwrap();
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error < 1e-5,
                    "{pooling}, text {at}: {found}, expected {expected}"
                );
            }
        }
    }
}

#[test]
fn threads_never_change_a_vector() {
    let (texts, _) = expected();
    let texts: Vec<&str> = texts.iter().cycle().take(500).map(String::as_str).collect();
    let model = load(&tiny()).unwrap();
    let outside = embed(&model, &texts).unwrap();
    for threads in [1, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        let inside = pool.install(|| embed(&model, &texts)).unwrap();
        assert!(inside == outside, "other vectors on {threads} threads");
    }
}

#[test]
fn no_texts_and_empty_texts() {
    let model = load(&tiny()).unwrap();
    let never = |_| panic!("nothing is done");
    assert!(model.embed(&[], &never).unwrap().is_empty());
    let rows = embed(&model, &["", "the", ""]).unwrap();
    assert_eq!(rows.len(), 3 * 32);
    assert_eq!(rows[..32], rows[64..]);
}

#[test]
fn a_long_text_is_cut() {
    let model = load(&tiny()).unwrap();
    let long = "river ".repeat(100_000);
    // 48 word pieces, one before and one after the text.
    let short = "river ".repeat(46);
    let rows = embed(&model, &[&long, &short]).unwrap();
    assert_eq!(rows[..32], rows[32..]);
}

#[test]
fn watch_hears_of_every_text_and_may_stop() {
    let model = load(&tiny()).unwrap();
    let texts = ["water long after"; 1000];
    let most = AtomicUsize::new(0);
    let watch = |done| {
        most.fetch_max(done, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    model.embed(&texts, &watch).unwrap();
    assert_eq!(most.into_inner(), 1000);
    let stopped = model.embed(&texts, &|_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().code, Code::Interrupted);
}

#[test]
fn identity_is_of_what_changes_vectors() {
    let identity = |folder: &Path| load(folder).unwrap().identity().to_owned();
    let first = identity(&tiny());
    assert!(first.starts_with("blake3:"), "{first}");
    assert_eq!(identity(copy().path()), first);
    let unlike = [
        changed("sentence_bert_config.json", "48", "47"),
        changed("1_Pooling/config.json", "_mean_tokens", "_cls_token"),
        changed("modules.json", "models.Normalize", "models.Transformer"),
    ];
    fs::remove_file(unlike[2].path().join("modules.json")).unwrap();
    for folder in unlike {
        assert_ne!(identity(folder.path()), first);
    }
}

#[test]
fn what_stands_before_a_text() {
    let folder = copy();
    let says = r#"{"prompts": {"query": "where is "}, "default_prompt_name": "query"}"#;
    fs::write(
        folder.path().join("config_sentence_transformers.json"),
        says,
    )
    .unwrap();
    let prompted = embed(&load(folder.path()).unwrap(), &["the river"]).unwrap();
    let plain = embed(&load(&tiny()).unwrap(), &["where is the river"]).unwrap();
    assert_eq!(prompted, plain);
}

#[track_caller]
fn check(folder: &TempDir, code: Code, message: &str) {
    let error = match load(folder.path()) {
        Err(error) => error,
        Ok(model) => embed(&model, &["the river"]).unwrap_err(),
    };
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(message), "{error}");
}

#[test]
fn files_that_contradict() {
    let config = |from: &str, to: &str| changed("config.json", from, to);
    let hidden = "\"hidden_size\": 32";
    for (to, message) in [
        ("\"hidden_size\": 64", "shape [187, 32], expected [187, 64]"),
        ("\"hidden_size\": 1000000000", "expected 1 to 16384"),
        ("\"hidden_size\": 1e30", "config.json"),
        ("\"hidden_size\": -32", "config.json"),
        ("\"hidden_size\": 0", "expected 1 to"),
        ("\"hidden_sighs\": 32", "missing field `hidden_size`"),
        ("\"hidden_size\": 32,", "config.json"),
    ] {
        check(&config(hidden, to), Code::Model, message);
    }
    let layers = |to: &str| config("\"num_hidden_layers\": 2", to);
    check(
        &layers("\"num_hidden_layers\": 3"),
        Code::Model,
        "encoder.layer.2",
    );
    check(
        &layers("\"num_hidden_layers\": 4000000000"),
        Code::Model,
        "expected 1 to 256",
    );
    let heads = config("\"num_attention_heads\": 4", "\"num_attention_heads\": 5");
    check(&heads, Code::Model, "5 heads");
    let words = config(
        "\"vocab_size\": 187",
        "\"vocab_size\": 18446744073709551615",
    );
    check(&words, Code::Model, "vocab_size");
    let wide = config("\"intermediate_size\": 64", "\"intermediate_size\": 63");
    check(&wide, Code::Model, "expected [63, 32]");
    let positions = config(
        "\"max_position_embeddings\": 64",
        "\"max_position_embeddings\": 32",
    );
    check(&positions, Code::Model, "position_embeddings");
    let epsilon = config("\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": -1");
    check(&epsilon, Code::Model, "layer_norm_eps");
    let cut = changed("sentence_bert_config.json", "48", "2");
    check(&cut, Code::Model, "at most 2 word pieces");
    let outside = changed("modules.json", "1_Pooling", "../1_Pooling");
    check(&outside, Code::Model, "leads outside");
    check(
        &changed("tokenizer.json", "\"river\":", "\"river\":9"),
        Code::Model,
        "word piece",
    );
    check(
        &changed("tokenizer.json", "WordPiece", "WordPeace"),
        Code::Model,
        "tokenizer.json",
    );
}

#[test]
fn models_of_another_kind() {
    let config = |from: &str, to: &str| changed("config.json", from, to);
    check(
        &config("\"bert\"", "\"gpt2\""),
        Code::Unsupported,
        "`bert` are run, this one",
    );
    check(
        &config("\"gelu\"", "\"swish\""),
        Code::Unsupported,
        "not `swish`",
    );
    let decoder = config("\"is_decoder\": false", "\"is_decoder\": true");
    check(
        &decoder,
        Code::Unsupported,
        "encoders with absolute positions",
    );
    check(
        &changed("modules.json", "Normalize", "Dense"),
        Code::Unsupported,
        "step `Dense`",
    );
    let pooling = changed("1_Pooling/config.json", "_mean_tokens", "_lasttoken");
    check(&pooling, Code::Unsupported, "lasttoken");
}

#[test]
fn a_text_that_the_tokenizer_refuses() {
    // "river" is one of its words, a word in Chinese is not: it needs the word for unknown ones.
    let folder = changed(
        "tokenizer.json",
        "\"unk_token\":\"[UNK]\"",
        "\"unk_token\":\"[?]\"",
    );
    let model = load(folder.path()).unwrap();
    assert_eq!(embed(&model, &["river"]).unwrap().len(), 32);
    assert_eq!(embed(&model, &["東京"]).unwrap_err().code, Code::Text);
}

#[test]
fn files_that_are_absent_or_no_files() {
    for name in [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "1_Pooling/config.json",
    ] {
        let folder = copy();
        fs::remove_file(folder.path().join(name)).unwrap();
        check(&folder, Code::Model, name.rsplit('/').next().unwrap());
        fs::create_dir(folder.path().join(name)).unwrap();
        check(&folder, Code::Model, "expected a file");
    }
    for (name, most) in [
        ("tokenizer.json", limits::JSON_BYTES_MAX),
        ("model.safetensors", limits::WEIGHTS_BYTES_MAX),
    ] {
        let folder = copy();
        let file = fs::File::create(folder.path().join(name)).unwrap();
        file.set_len(most + 1).unwrap();
        check(&folder, Code::Model, "expected at most");
    }
}

#[test]
fn weights_that_are_torn() {
    let whole = fs::read(tiny().join("model.safetensors")).unwrap();
    let folder = copy();
    let write = |bytes: &[u8]| fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    for length in (0..whole.len()).step_by(997) {
        write(&whole[..length]);
        check(&folder, Code::Model, "torn");
    }
    let mut spoilt = whole.clone();
    spoilt[..8].fill(0xff);
    write(&spoilt);
    check(&folder, Code::Model, "torn");
    let mut spoilt = whole.clone();
    let last = whole.len() - 4;
    spoilt[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    write(&spoilt);
    check(&folder, Code::Model, "not a finite number");
}

#[test]
fn flipped_bytes_never_panic() {
    let mut seed = 11_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for (name, rounds, header) in [
        ("model.safetensors", 300, 4000),
        ("config.json", 300, usize::MAX),
        ("tokenizer.json", 300, usize::MAX),
        ("modules.json", 100, usize::MAX),
    ] {
        let whole = fs::read(tiny().join(name)).unwrap();
        let folder = copy();
        for _ in 0..rounds {
            let mut spoilt = whole.clone();
            for _ in 0..=random(3) {
                let at = random(whole.len().min(header));
                spoilt[at] = [random(256) as u8, b'9', b'"', b'0', b'}'][random(5)];
            }
            fs::write(folder.path().join(name), spoilt).unwrap();
            // Whether it still loads is not asked: many bytes stand in names that no one reads.
            if let Ok(model) = load(folder.path()) {
                let _ = embed(&model, &["the river", "running stoned"]);
            }
        }
    }
}
