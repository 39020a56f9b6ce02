//! Garbage of every kind, each with the answer it must get.

use std::fs;

use crate::client::{self, Pod, invoke, message};

/// What becomes of the session.
enum Fate {
    /// An error reply with this id and a message that contains this text; then life goes on.
    Refused(&'static str, &'static str),
    /// The stream is lost: exit code 1.
    Lost,
}

fn check(bytes: &[u8], fate: &Fate) {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    let mut pod = client::start();
    pod.send(bytes);
    match fate {
        Fate::Refused(id, expected) => {
            let reply = pod.reply();
            assert!(reply.is_error(), "{shown}: {reply:?}");
            assert_eq!(&reply.id, id, "{shown}");
            let message = reply.ex_message.clone().expect("an error says why");
            assert!(message.contains(expected), "{shown}: {message}");
            assert!(
                reply.ex_data.is_some_and(|data| data.starts_with('{')),
                "{shown}"
            );
            assert_alive(&mut pod, &shown);
            pod.shut_down();
        }
        Fate::Lost => {
            assert_eq!(pod.reply_or_end(), None, "{shown}");
            assert_eq!(pod.exit_code(), Some(1), "{shown}");
        }
    }
}

fn assert_alive(pod: &mut Pod, shown: &str) {
    pod.send(&message(&[("id", "alive"), ("op", "describe")]));
    assert_eq!(pod.reply().id, "alive", "{shown}");
}

#[test]
fn refuses_what_is_framed_and_goes_on() {
    let refused = |text: &str, id, expected| check(text.as_bytes(), &Fate::Refused(id, expected));
    refused("i5e", "unknown", "must be a dictionary");
    refused("le", "unknown", "must be a dictionary");
    refused("4:spam", "unknown", "must be a dictionary");
    refused("00:", "unknown", "must be a dictionary");
    refused("i-0e", "unknown", "must be a dictionary");
    refused("d2:id1:a1:xi-0e2:op8:describee", "a", "leading zero");
    refused("d2:id1:a1:xi00e2:op8:describee", "a", "leading zero");
    refused("d2:id1:a1:x00:2:op8:describee", "a", "leading zero");
    refused(
        "d2:id1:a1:xi99999999999999999999e2:op8:describee",
        "a",
        "beyond 64 bits",
    );
    refused("d2:id1:a2:op4:evale", "a", "Unknown op: eval");
    refused("d2:id1:ae", "a", "no \"op\"");
    refused("d2:op6:invoke3:var3:n/ve", "unknown", "no \"id\"");
    refused("d2:idi7e2:op6:invoke3:var3:n/ve", "i7e", "must be a string");
    refused("d2:id1:a2:op6:invoke3:var3:n/ve", "a", "Var not found: n/v");
    refused("d2:id1:a2:op6:invoke3:vari1ee", "a", "must be a string");
    refused("d2:id1:a2:id1:b2:op8:describee", "a", "twice");
    refused("d2:id1:a2:ns1:n2:op7:load-nse", "a", "Namespace not found");
    let db = |args: &str| String::from_utf8(invoke("a", "datahike.pod/db", args)).unwrap();
    refused(&db("5"), "a", "must be a list");
    refused(&db("{:a 1}"), "a", "must be a list");
    refused(&db("(1"), "a", "");
    refused(&db("#="), "a", "");
    refused(&db("(\"conn:none\")"), "a", "Connection not found");
    check(
        b"d2:id2:\xff\xfe2:op8:describee",
        &Fate::Refused("\u{fffd}\u{fffd}", "not UTF-8"),
    );
    check(
        b"d2:id1:a2:op6:invoke3:var2:\xff\xfee",
        &Fate::Refused("a", "not UTF-8"),
    );
    check(
        b"d4:args2:\xff\xfe2:id1:a2:op6:invoke3:var15:datahike.pod/dbe",
        &Fate::Refused("a", "not UTF-8"),
    );
}

#[test]
fn ends_when_the_stream_is_out_of_step() {
    let lost = |text: &str| check(text.as_bytes(), &Fate::Lost);
    lost("9999999999:");
    lost("999999999999999999999999999999:x");
    lost("-5:");
    lost("hello");
    lost("\n");
    lost("i1.5e");
    lost("e");
    lost("d2:id1:a2:op8:describe}");
}

#[test]
fn survives_any_depth() {
    for depth in [100, 1_000, 100_000, 1_000_000] {
        for (open, what) in [("l", "le"), ("d1:a", "d1:ae")] {
            let mut bytes = b"d2:id1:a2:op8:describe1:x".to_vec();
            bytes.extend(open.repeat(depth).bytes());
            bytes.extend(what.bytes());
            bytes.extend("e".repeat(depth).bytes());
            bytes.push(b'e');
            if what == "d1:ae" {
                // A key without a value, after a walk down: refused whatever the depth.
                check(&bytes, &Fate::Refused("a", ""));
            } else if depth > 100 {
                check(&bytes, &Fate::Refused("a", "too deeply"));
            }
        }
    }
}

#[test]
fn holds_no_more_memory_than_was_sent() {
    let mut pod = client::start();
    // Just under the limit announced, little sent.
    pod.send(b"d2:id1:a2:op8:describe1:x60000000:0123");
    pod.send(&[b'y'; 1000]);
    let status = fs::read_to_string(format!("/proc/{}/status", pod.pid()));
    if let Ok(status) = status {
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 50 << 10, "{kib} KiB");
    }
    pod.close();
    assert_eq!(pod.exit_code(), Some(1));
}
