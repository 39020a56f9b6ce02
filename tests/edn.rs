//! EDN as people write it: what is printed reads back, bad texts are told, and Clojure agrees.

use std::io::Write;
use std::process::{Command, Stdio};

use datalith_engine::{Code, Error, edn, limits};
use datalith_tests::edn_corpus::{self, Random, canonical};

#[test]
fn what_is_printed_reads_back() {
    let mut random = Random::new(1);
    for _ in 0..20_000 {
        let value = edn_corpus::value(&mut random, 5);
        let text = value.to_string();
        let again = edn::read(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(canonical(&again), canonical(&value), "{text}");
    }
}

#[test]
fn any_text_is_read_or_refused_with_a_place() {
    let mut random = Random::new(2);
    for _ in 0..50_000 {
        let text = edn_corpus::text(&mut random);
        let Err(error) = edn::read_all(&text) else {
            continue;
        };
        let span = error.span().unwrap_or_else(|| panic!("{error}: {text:?}"));
        assert!(
            span.start <= span.end && span.end <= text.len(),
            "{error}: {text:?}"
        );
        assert!(text.is_char_boundary(span.start), "{error}: {text:?}");
        edn::line_column(&text, span.start);
    }
}

#[test]
fn spans_name_the_text_of_their_value() {
    let mut random = Random::new(3);
    for _ in 0..5_000 {
        let text = edn_corpus::value(&mut random, 4).to_string();
        let (value, spans) = edn::read_spanned(&text).expect("printed values read");
        let mut waiting = vec![(&value, &spans)];
        while let Some((value, tree)) = waiting.pop() {
            let part = &text[tree.span.start..tree.span.end];
            assert_eq!(
                canonical(&edn::read(part).expect("a part reads")),
                canonical(value)
            );
            match value {
                datalith_engine::Value::Map(map) => {
                    let parts = map.iter().flat_map(|(key, value)| [key, value]);
                    waiting.extend(parts.zip(&tree.children));
                    assert_eq!(tree.children.len(), map.len() * 2);
                }
                datalith_engine::Value::Set(set) => waiting.extend(set.iter().zip(&tree.children)),
                _ => waiting.extend(
                    value
                        .as_sequential()
                        .unwrap_or_default()
                        .iter()
                        .zip(&tree.children),
                ),
            }
        }
    }
}

#[test]
fn hostile_texts_meet_a_limit() {
    let deep = 1_000_000;
    let texts = [
        "[".repeat(deep),
        "{".repeat(deep),
        "#{".repeat(deep),
        "#_".repeat(deep),
        "^".repeat(deep),
        "##".repeat(deep),
        "#a ".repeat(deep),
        "#:a{:b".repeat(deep),
        "9".repeat(deep),
        format!("1e{}", "9".repeat(deep)),
        "1e999999999M".to_owned(),
        "a".repeat(deep),
        format!("[{}]", "1 ".repeat(deep + 1)),
        " ".repeat(limits::EDN_TEXT_BYTES + 1),
        format!("[{}]", "#\"\\\\w{50}\"".repeat(deep)),
    ];
    for text in texts {
        let error = edn::read(&text).expect_err("over a limit");
        assert_eq!(error.code(), Code::EdnLimit, "{error}: {}", &text[..20]);
        assert!(error.message().len() < 300, "{error}");
    }
}

/// Clojure reads and prints the same corpus; where `clojure` is missing there is nothing to ask.
#[test]
fn clojure_reads_the_same() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/edn_clojure/read.clj");
    let spawned = Command::new("clojure")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut clojure) = spawned else {
        eprintln!("skipped: no `clojure` on the path (Debian: apt-get install clojure)");
        return;
    };
    let count = std::env::var("EDN_TEXTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000);
    let seed = std::env::var("EDN_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(4);
    let mut random = Random::new(seed);
    let texts: Vec<String> = (0..count).map(|_| edn_corpus::text(&mut random)).collect();
    let mut stdin = clojure.stdin.take().expect("piped");
    let lines: String = texts
        .iter()
        .map(|text| edn::base64::encode(text.as_bytes()) + "\n")
        .collect();
    let feeder = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = clojure.wait_with_output().expect("clojure answers");
    feeder.join().expect("no panic").expect("clojure reads all");
    let answers = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(answers.lines().count(), texts.len());
    let mut wrong = Vec::new();
    for (text, theirs) in texts.iter().zip(answers.lines()) {
        let ours = edn::read_all(text);
        let agree = match &ours {
            Ok(_) if is_our_own(text) || theirs.contains(WIDE_TAG) => true,
            Ok(forms) => theirs == forms.iter().map(canonical).collect::<Vec<_>>().join(" "),
            Err(error) => theirs.starts_with("ERR") || is_stricter(text, error),
        };
        if !agree {
            let ours = ours.map(|forms| forms.iter().map(canonical).collect::<Vec<_>>().join(" "));
            wrong.push(format!(
                "{text:?}\n  clojure {theirs}\n  ours    {ours:?}\n"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(12)].join("")
    );
}

/// How Clojure fails on a tag that starts beyond Latin-1: a slip of its reader, not a rule.
const WIDE_TAG: &str = "ArrayIndexOutOfBoundsException";

/// What we read and Clojure does not: patterns, our own tags, characters beyond the first plane.
fn is_our_own(text: &str) -> bool {
    text.contains("#\"") || text.contains("#datalith/") || text.chars().any(|c| c as u32 > 0xffff)
}

/// What Clojure reads and we refuse: infinity written as a number, halves of characters, digits
/// of other scripts in an escape, and what is over a limit.
fn is_stricter(text: &str, error: &Error) -> bool {
    let message = error.message();
    error.code() == Code::EdnLimit
        || message.contains("does not fit a double")
        || message.contains("one half of a character")
        || (!text.is_ascii() && OTHER_DIGITS.iter().any(|start| message.starts_with(start)))
}

const OTHER_DIGITS: [&str; 3] = [
    "Expected four hexadecimal digits",
    "Unknown character",
    "Invalid UUID",
];
