//! The ordinary course, with the habits of the real client.

use std::collections::HashSet;

use serde_bencode::value::Value as Bencode;

use crate::client::{self, Pod, Reply, invoke, message};

/// A call that needs no database.
const EXISTS: &str = "datahike.pod/database-exists?";
const NOWHERE: &str =
    "({:store {:backend :memory :id #uuid \"00000000-0000-0000-0000-000000000001\"}})";

fn dict(value: &Bencode) -> &std::collections::HashMap<Vec<u8>, Bencode> {
    match value {
        Bencode::Dict(dict) => dict,
        other => panic!("expected a dictionary, found {other:?}"),
    }
}

fn text(value: &Bencode) -> &str {
    match value {
        Bencode::Bytes(bytes) => std::str::from_utf8(bytes).expect("text"),
        other => panic!("expected text, found {other:?}"),
    }
}

fn list(value: &Bencode) -> &[Bencode] {
    match value {
        Bencode::List(items) => items,
        other => panic!("expected a list, found {other:?}"),
    }
}

fn variables(reply: &Reply, namespace: &str) -> Vec<String> {
    let namespaces = list(&reply.raw[b"namespaces".as_slice()]);
    let found = namespaces
        .iter()
        .map(dict)
        .find(|n| text(&n[b"name".as_slice()]) == namespace);
    let vars = list(&found.expect("the namespace is described")[b"vars".as_slice()]);
    vars.iter()
        .map(|var| text(&dict(var)[b"name".as_slice()]).to_owned())
        .collect()
}

#[test]
fn describes_both_namespaces() {
    let mut pod = client::start();
    pod.send(&message(&[("id", "7c3f"), ("op", "describe")]));
    let reply = pod.reply();
    assert_eq!(reply.id, "7c3f");
    assert_eq!(text(&reply.raw[b"format".as_slice()]), "edn");
    assert!(dict(&reply.raw[b"ops".as_slice()]).contains_key(b"shutdown".as_slice()));
    assert_eq!(variables(&reply, "datahike.pod").len(), 22);
    let ours: HashSet<String> = variables(&reply, "pod.datalith").into_iter().collect();
    for name in [
        "with",
        "explain",
        "query-stats",
        "index-range",
        "rseek-datoms",
        "listen",
    ] {
        assert!(ours.contains(name), "{name}");
    }
    pod.shut_down();
}

#[test]
fn announces_transit_unless_told_otherwise() {
    let binary = std::process::Command::new(env!("CARGO_BIN_EXE_datalith"));
    let mut pod = Pod::start(binary, &[("DATALITH_POD_FORMAT", "")]);
    pod.send(&message(&[("id", "1"), ("op", "describe")]));
    assert_eq!(text(&pod.reply().raw[b"format".as_slice()]), "transit+json");
    pod.shut_down();
}

#[test]
fn answers_without_having_been_described() {
    let mut pod = client::start();
    assert_eq!(pod.call(EXISTS, NOWHERE).answer(), "false");
    pod.send(&message(&[
        ("id", "n"),
        ("ns", "datahike.pod"),
        ("op", "load-ns"),
    ]));
    let reply = pod.reply();
    assert_eq!(reply.status, ["done"]);
    assert_eq!(text(&reply.raw[b"name".as_slice()]), "datahike.pod");
    assert_eq!(list(&reply.raw[b"vars".as_slice()]).len(), 22);
    pod.shut_down();
}

#[test]
fn takes_missing_arguments_as_none() {
    let mut pod = client::start();
    for args in ["nil", "()", "[]", ""] {
        let reply = pod.call("datahike.pod/db", args);
        assert!(reply.is_error());
        assert!(
            reply
                .ex_message
                .unwrap()
                .starts_with("Wrong number of args (0) passed to")
        );
    }
    pod.send(&message(&[
        ("id", "1"),
        ("op", "invoke"),
        ("var", "datahike.pod/db"),
    ]));
    assert!(
        pod.reply()
            .ex_message
            .unwrap()
            .starts_with("Wrong number of args (0)")
    );
    pod.shut_down();
}

#[test]
fn frames_may_be_cut_anywhere_or_glued() {
    let call = invoke("x", EXISTS, NOWHERE);
    let mut pod = client::start();
    for at in 1..call.len() {
        pod.send(&call[..at]);
        pod.send(&call[at..]);
        assert_eq!(pod.reply().answer(), "false", "cut at {at}");
    }
    for byte in &call {
        pod.send(&[*byte]);
    }
    assert_eq!(pod.reply().answer(), "false");
    pod.send(&[call.clone(), call].concat());
    assert_eq!(pod.reply().answer(), "false");
    assert_eq!(pod.reply().answer(), "false");
    pod.shut_down();
}

#[test]
fn answers_ten_thousand_calls_once_each() {
    let mut pod = client::start();
    // All are sent before the first answer is read.
    for number in 0..10_000 {
        pod.send(&invoke(&format!("{number}"), EXISTS, NOWHERE));
    }
    let mut open: HashSet<String> = (0..10_000).map(|number| number.to_string()).collect();
    for _ in 0..10_000 {
        let reply = pod.reply();
        assert_eq!(reply.answer(), "false");
        assert!(open.remove(&reply.id), "{} is answered twice", reply.id);
    }
    pod.shut_down();
}

#[test]
fn the_same_id_twice_is_answered_twice() {
    let mut pod = client::start();
    for _ in 0..100 {
        pod.send(&invoke("same", EXISTS, NOWHERE));
    }
    for _ in 0..100 {
        assert_eq!(pod.reply().id, "same");
    }
    pod.shut_down();
}

#[test]
fn serves_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let mut pod = Pod::start_socket(directory.path());
    pod.send(&message(&[("id", "1"), ("op", "describe")]));
    assert_eq!(variables(&pod.reply(), "datahike.pod").len(), 22);
    assert_eq!(pod.call(EXISTS, NOWHERE).answer(), "false");
    let port_file = directory
        .path()
        .join(format!(".babashka-pod-{}.port", pod.pid()));
    assert!(port_file.exists());
    pod.close();
    assert_eq!(pod.exit_code(), Some(0));
    assert!(!port_file.exists());
}

#[test]
fn errors_say_what_kind_they_are() {
    let mut pod = client::start();
    let mut check = |var: &str, args: &str, data: &str| {
        let found = pod.call(var, args).ex_data.expect("an error has data");
        assert!(found.contains(data), "{var} {args}: {found}");
    };
    check("datahike.pod/nothing", "nil", ":error :pod/message");
    check("datahike.pod/db", "nil", ":error :pod/arguments");
    check(
        "datahike.pod/db",
        "(\"conn:x\")",
        ":error :pod/connection-not-found",
    );
    check("datahike.pod/db", "(\"conn:x\")", ":conn-id \"conn:x\"");
    check(
        "datahike.pod/history",
        "(\"x\")",
        ":error :pod/database-not-found",
    );
    check("datahike.pod/history", "(\"x\")", ":db-id \"x\"");
    check(
        "pod.datalith/history",
        "({:datalith/db \"x\" :t 1})",
        ":db-id \"x\"",
    );
    check(
        "pod.datalith/release-query",
        "(7)",
        ":error :pod/query-not-found",
    );
    check(
        "datahike.pod/connect",
        "({:store {:backend :memory}})",
        ":type :db-does-not-exist",
    );
    pod.shut_down();
}

#[test]
fn handles_live_until_they_are_given_back() {
    let config = "{:store {:backend :memory :id #uuid \"00000000-0000-0000-0000-000000000002\"}}";
    let mut pod = client::start();
    let connect = format!("({config})");
    assert!(pod.call("datahike.pod/connect", &connect).is_error());
    pod.call("datahike.pod/create-database", &connect).answer();
    let conn = pod
        .call("datahike.pod/connect", &connect)
        .answer()
        .to_owned();
    assert!(conn.starts_with("\"conn:"), "{conn}");
    assert_eq!(pod.call("datahike.pod/connect", &connect).answer(), conn);
    let ours = pod
        .call("pod.datalith/connect", &connect)
        .answer()
        .to_owned();
    assert_eq!(ours, format!("{{:datalith/conn {conn}}}"));
    let db = pod
        .call("datahike.pod/db", &format!("({conn})"))
        .answer()
        .to_owned();
    assert_ne!(
        pod.call("datahike.pod/db", &format!("({conn})")).answer(),
        db
    );
    let ours = pod
        .call("pod.datalith/db", &format!("({ours})"))
        .answer()
        .to_owned();
    assert!(
        ours.starts_with("{:datalith/db \"") && ours.contains(":t "),
        "{ours}"
    );
    assert_eq!(
        pod.call("datahike.pod/release", &format!("({conn})"))
            .answer(),
        "nil"
    );
    assert!(pod.call("datahike.pod/db", &format!("({conn})")).is_error());
    assert_eq!(
        pod.call("datahike.pod/schema", &format!("({db})")).answer(),
        "{}"
    );
    assert_eq!(
        pod.call("datahike.pod/release-db", &format!("({db})"))
            .answer(),
        "{}"
    );
    assert!(
        pod.call("datahike.pod/schema", &format!("({db})"))
            .is_error()
    );
    assert_eq!(
        pod.call("datahike.pod/delete-database", &connect).answer(),
        "nil"
    );
    assert_eq!(
        pod.call("datahike.pod/database-exists?", &connect).answer(),
        "false"
    );
    pod.shut_down();
}
