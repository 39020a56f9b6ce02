//! The console as a person has it: a real process on a pseudo-terminal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::run::datalith;

/// Longest wait for something to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A console and what it has said so far.
struct Console {
    child: Child,
    keys: File,
    said: Receiver<Vec<u8>>,
    seen: String,
}

impl Console {
    /// - `arguments`: the command and what it is given.
    fn start(folder: &std::path::Path, arguments: &[&str]) -> Console {
        let size = Winsize {
            ws_row: 40,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).expect("a pseudo-terminal");
        let stdio = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a pseudo-terminal"));
        let binary = datalith();
        // The terminal of a session of its own: Ctrl-C then comes from there, as from a keyboard.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(binary.get_program())
            .args(arguments)
            .env_remove("BABASHKA_POD")
            .env("TERM", "xterm-256color")
            .env("NO_COLOR", "1")
            .env("HOME", folder)
            .env_remove("XDG_STATE_HOME")
            .current_dir(folder)
            .stdin(stdio(&pty.slave))
            .stdout(stdio(&pty.slave))
            .stderr(stdio(&pty.slave))
            .spawn()
            .expect("a pseudo-terminal");
        drop(pty.slave);
        let mut screen = File::from(pty.master.try_clone().expect("a pseudo-terminal"));
        let (send, said) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(bytes @ 1..) = screen.read(&mut buffer) {
                if send.send(buffer[..bytes].to_vec()).is_err() {
                    return;
                }
            }
        });
        Console {
            child,
            keys: File::from(pty.master),
            said,
            seen: String::new(),
        }
    }

    fn type_keys(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("a pseudo-terminal");
    }

    /// Waits until a text has been seen, and forgets what was seen up to it.
    fn expect(&mut self, text: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = PATIENCE.checked_sub(began.elapsed());
            let left = left.unwrap_or_else(|| panic!("no {text:?} in {:?}", self.seen));
            match self.said.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("no {text:?} in {:?}", self.seen),
            }
        }
    }

    /// Leaves, once the prompt is there: a Ctrl-D before it is the terminal's.
    fn end(mut self, prompt: &str) {
        self.expect(prompt);
        self.type_keys("\u{4}");
        let status = self.child.wait().expect("a pseudo-terminal");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It holds the terminal itself, so that nothing else would end it after a test that failed.
        let _ = self.child.kill();
    }
}

#[test]
fn a_person_talks_with_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut console = Console::start(folder.path(), &["console", "notes.db"]);
    console.expect("notes> ");
    console.type_keys("conn.transact(edn { [{:db/ident :note/text\r");
    console
        .type_keys(" :db/valueType :db.type/string :db/cardinality :db.cardinality/one}] }).t\r");
    // The prompt is drawn again as lines are typed: only an answer says that they were taken.
    console.expect("\r\n1\r\n");
    console.expect("notes> ");
    console.type_keys("conn.transact(#{\"note/text\": \"milk\"}).t\r");
    console.expect("\r\n2\r\n");
    // A query by itself, over two lines.
    console.type_keys("[:find ?t\r:where [_ :note/text ?t]]\r");
    console.expect(" milk");
    // Attributes are completed within a query, functions after a dot.
    console.type_keys("[:find ?t . :where [_ :note/te\t ?t]]\r");
    console.expect("\r\nmilk\r\n");
    console.type_keys("db.sche\t()\r");
    console.expect("valueType");
    console.type_keys(":as-of 1\r");
    console.expect("notes@1> ");
    console.type_keys("db.q(`[:find [?t ...] :where [_ :note/text ?t]]`).len()\r");
    console.expect("\r\n0\r\n");
    console.type_keys("db.nothing()\r");
    console.expect("no function nothing (Db)");
    console.end("notes@1> ");
}

#[test]
fn ctrl_c_cancels_what_runs_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut console = Console::start(folder.path(), &["console"]);
    console.expect("memory> ");
    console.type_keys("let kept = 41;\r");
    console.expect("memory> ");
    for runaway in [
        "loop {}",
        "sleep(1000)",
        "q(datalog { [:find (max ?n) . :in % :where (up ?n)] }, edn { [[(up ?n) [(ground 0) ?n]] \
          [(up ?n) (up ?m) [(inc ?m) ?n] [(< ?n 1000000000)]]] })",
    ] {
        console.type_keys(&format!("print(\"begun\"); {runaway}\r"));
        console.expect("\r\nbegun");
        let began = Instant::now();
        console.type_keys("\u{3}");
        console.expect("cancelled");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{runaway}: {:?}",
            began.elapsed()
        );
        console.expect("memory> ");
    }
    console.type_keys("kept + 1\r");
    console.expect("\r\n42\r\n");
    console.end("memory> ");
    let history = fs::read_to_string(folder.path().join(".local/state/datalith/history")).unwrap();
    assert!(
        history.contains("let kept = 41;") && history.contains("loop {}"),
        "{history}"
    );
}

/// Each of the joins keeps every thread of the executor in steps that end only with the rows.
#[cfg(feature = "sql")]
#[test]
fn ctrl_c_cancels_a_statement_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Console::start(folder.path(), &["sql"]);
    shell.expect("files# ");
    for join in ["a.value % 7 = b.value % 5", "a.value % 3 < b.value % 2"] {
        shell.type_keys(&format!(
            "select count(*) from generate_series(1, 3000000) a, generate_series(1, 3000000) b\r\
             where {join};\r"
        ));
        // The line is read when the terminal no longer takes a paste.
        shell.expect("\u{1b}[?2004l");
        shell.type_keys("\u{3}");
        shell.expect("cancelled");
    }
    shell.type_keys("select nothing;\r");
    shell.expect("No field named nothing");
    shell.type_keys("select 41 +\r1 as answer;\r");
    shell.expect(" answer");
    shell.expect("42");
    shell.expect("1 row");
    shell.end("files# ");
}

#[test]
fn a_pipe_is_read_to_its_first_error() {
    let mut child = datalith()
        .arg("console")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = b"let x = 5;\nfn f(n) {\n  n + 1\n}\nf(x)\n[:find ?y .\n :in ?y]\nx.no()\n7\n";
    child.stdin.take().unwrap().write_all(lines).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "6\n");
    assert_eq!(output.status.code(), Some(1));
}
