//! A process that writes is killed again and again; what it acknowledged must be there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use datalith_tests::clock::pause;
use datalith_tests::random::Random;

/// Kills of one run; `DATALITH_KILLS` overrides it.
const KILLS: u32 = 1_000;
/// Databases that are written and killed side by side.
const DATABASES: u32 = 4;
/// Kills of one database, before the next one is created: creation is killed too.
const KILLS_PER_DATABASE: u32 = 25;

/// What each writing thread of the child said last.
type Last = BTreeMap<u64, u64>;

#[test]
fn a_killed_writer_loses_nothing_it_acknowledged() {
    let given = std::env::var("DATALITH_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok());
    let kills = given.unwrap_or(KILLS) / DATABASES;
    std::thread::scope(|scope| {
        for seed in 0..DATABASES {
            scope.spawn(move || kill_often(kills, Random::of(seed.into())));
        }
    });
}

fn kill_often(kills: u32, mut random: Random) {
    let dir = tempfile::tempdir().expect("there is room for a folder");
    let mut acknowledged = Last::new();
    for kill in 0..kills {
        let path = dir.path().join(format!("db{}", kill / KILLS_PER_DATABASE));
        if kill % KILLS_PER_DATABASE == 0 {
            acknowledged.clear();
        }
        let mut child = start(&path);
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let patience = random.below(12);
        if random.below(4) == 0 {
            // While it creates or opens the database, most likely.
            pause(Duration::from_micros(random.below(10_000)));
            child.kill().expect("a child can be killed");
        }
        let mut heard = 0;
        for line in lines.map_while(Result::ok) {
            check(&line, &mut acknowledged, kill);
            heard += u64::from(line.starts_with("ack"));
            if heard == patience {
                // In the middle of what comes next, or the pause may be none at all.
                pause(Duration::from_micros(random.below(3_000)));
                child.kill().expect("a child can be killed");
            }
        }
        let status = child.wait().expect("a child can be waited for");
        assert!(
            !status.success(),
            "the writer ended by itself, at kill {kill}"
        );
    }
    assert!(acknowledged.values().sum::<u64>() > 0);
}

/// Checks what the child found when it opened the database, and notes what it acknowledges.
fn check(line: &str, acknowledged: &mut Last, kill: u32) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    match words[0] {
        "found" => {
            let (thread, last, count) = (number(1), number(2), number(3));
            assert_eq!(
                last, count,
                "transactions are missing before {last}, at kill {kill}"
            );
            let said = acknowledged.insert(thread, last).unwrap_or(0);
            // One transaction may have been kept whose acknowledgement was never heard.
            assert!(
                last == said || last == said + 1,
                "{last} of {said} at kill {kill}"
            );
        }
        "opened" => {}
        "ack" => {
            let (thread, last) = (number(1), number(2));
            let before = acknowledged.insert(thread, last).unwrap_or(0);
            assert_eq!(last, before + 1, "thread {thread}, at kill {kill}");
        }
        _ => panic!("the writer said {line:?} at kill {kill}"),
    }
}

fn start(path: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writer"));
    command
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writer starts")
}
