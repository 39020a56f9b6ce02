//! The end, at every point and from every side.

use std::process::Command;

use crate::client::{self, invoke, message};

const EXISTS: &str = "datahike.pod/database-exists?";

#[test]
fn ends_well_between_messages_and_badly_inside() {
    let call = invoke("x", "datahike.pod/db", "nil");
    for at in 0..=call.len() {
        let mut pod = client::start();
        pod.send(&call[..at]);
        pod.close();
        let whole = at == 0 || at == call.len();
        assert_eq!(
            pod.reply_or_end().is_some(),
            at == call.len(),
            "cut at {at}"
        );
        assert_eq!(pod.exit_code(), Some(i32::from(!whole)), "cut at {at}");
    }
}

#[test]
fn answers_what_was_sent_before_the_input_closed() {
    let mut pod = client::start();
    for number in 0..100 {
        pod.send(&invoke(&number.to_string(), EXISTS, "nil"));
    }
    pod.close();
    let answered = std::iter::from_fn(|| pod.reply_or_end()).count();
    assert_eq!(answered, 100);
    assert_eq!(pod.exit_code(), Some(0));
}

#[test]
fn ends_when_nobody_reads() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datalith"));
    let mut child = command
        .env("BABASHKA_POD", "true")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &message(&[("id", "1"), ("op", "describe")])).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn termination_is_a_shutdown_and_interruption_is_not() {
    let mut pod = client::start();
    assert!(pod.call("datahike.pod/db", "nil").is_error());
    signal(pod.pid(), "INT");
    assert!(pod.call("datahike.pod/db", "nil").is_error());
    signal(pod.pid(), "TERM");
    assert_eq!(pod.reply_or_end(), None);
    assert_eq!(pod.exit_code(), Some(0));
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}
