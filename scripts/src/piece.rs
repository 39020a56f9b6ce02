//! A piece of a session: what is typed at once in the console, or a cell of a notebook.
//!
//! In: a text that is rhai, or a bare query, which is asked of the variable `db`. Out: its value, or a
//! fault whose place is one of that text. `db` follows the connection `conn` from piece to piece.

use datalith_engine::edn;
use rhai::Dynamic;

use crate::completion::moment;
use crate::database::{ScriptConn, ScriptDb};
use crate::fault::{Fault, FaultKind};
use crate::host::Host;

/// Marks a `db` that was put there by [`follow`], and not by a script.
const FOLLOWS: i32 = 0x6462;

/// How a text stands as a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be run.
    Whole,
    /// More of it has to follow.
    Open,
    /// It will never be one, whatever follows.
    Wrong,
}

/// Runs a piece. What it comes to stays as the variable `last`, unless it is `()`.
pub fn run(host: &mut Host, text: &str) -> Result<Dynamic, Fault> {
    let value = match is_query(text) {
        true => ask(host, "q", text)?,
        false => host.eval(text)?,
    };
    if !value.is_unit() {
        host.set_variable("last", value.clone());
    }
    Ok(value)
}

/// Asks `db` about a query as it is written: `q` answers it, `explain` tells how.
pub fn ask(host: &mut Host, verb: &str, query: &str) -> Result<Dynamic, Fault> {
    let before = format!("db.{verb}(datalog {{");
    let asked = host.eval(&format!("{before}{query}\n}})"));
    let columns = isize::try_from(before.len()).unwrap_or_default();
    asked.map_err(|fault| fault.moved(-columns))
}

/// Whether the value of a piece is to be kept quiet about.
pub fn is_quiet(text: &str) -> bool {
    text.trim_end().ends_with(';')
}

/// Whether a text is a query by itself.
pub fn is_query(text: &str) -> bool {
    let text = text.trim_start();
    text.strip_prefix(['[', '{'])
        .is_some_and(|rest| rest.trim_start().starts_with(":find"))
}

/// How a text stands as a piece of this session.
pub fn standing(host: &Host, text: &str) -> Standing {
    if is_query(text) {
        return match (is_open(text), edn::read(text)) {
            (true, _) => Standing::Open,
            (false, Ok(_)) => Standing::Whole,
            (false, Err(_)) => Standing::Wrong,
        };
    }
    match host.check(text) {
        Ok(()) => Standing::Whole,
        Err(fault) if fault.kind == FaultKind::Incomplete => Standing::Open,
        Err(_) => Standing::Wrong,
    }
}

/// Makes `db` the newest value of `conn`, unless a script set it to another.
///
/// - `held`: the moment it is kept at instead, whatever it was: a transaction or an instant.
pub fn follow(host: &mut Host, held: Option<&str>) {
    let is_own = |db: &Dynamic| db.is_unit() || db.tag() == FOLLOWS;
    if held.is_none() && host.variable("db").is_some_and(|db| !is_own(&db)) {
        return;
    }
    let conn = host.variable("conn");
    let Some(db) = conn.and_then(|conn| conn.read_lock::<ScriptConn>()?.0.db().ok()) else {
        return;
    };
    let Ok(db) = held.map_or(Ok(db.clone()), |point| moment(&db, point)) else {
        return;
    };
    let mut value = Dynamic::from(ScriptDb(db));
    value.set_tag(FOLLOWS);
    host.set_variable("db", value);
}

/// Whether the brackets of a query still wait to be closed.
fn is_open(text: &str) -> bool {
    let mut depth = 0_i64;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => loop {
                match characters.next() {
                    Some('\\') => drop(characters.next()),
                    Some('"') => break,
                    Some(_) => {}
                    None => return true,
                }
            },
            '\\' => drop(characters.next()),
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth -= 1,
            _ => {}
        }
    }
    depth > 0 && edn::read(text).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Sink, shown::Shown};
    use std::sync::Arc;

    struct Nobody;

    impl Sink for Nobody {
        fn print(&self, _: &str) {}
        fn show(&self, _: &Shown) {}
    }

    fn session() -> Host {
        let mut host = Host::new(&Settings::default(), Arc::new(Nobody));
        let made = "let conn = open(#{path: \":memory:\", schema_on_read: true});";
        let _ = run(&mut host, made).unwrap();
        host
    }

    #[test]
    fn queries_are_told_from_scripts() {
        assert!(is_query(" [:find ?e :where [?e :a]]"));
        assert!(is_query("{:find [?e]}"));
        assert!(!is_query("[1, 2]"));
        let host = session();
        let standings = [
            ("[:find ?e :where [?e :a \"]", Standing::Open),
            ("[:find ?e", Standing::Open),
            ("[:find ?e :where [?e :a \\[]]", Standing::Whole),
            ("[:find ?e :where [?e :a]]]", Standing::Wrong),
            ("fn f(x) {", Standing::Open),
            ("1 + 1", Standing::Whole),
            ("let = 1", Standing::Wrong),
        ];
        for (text, standing_of) in standings {
            assert_eq!(standing(&host, text), standing_of, "{text}");
        }
    }

    #[test]
    fn faults_of_a_query_are_placed_in_its_own_text() {
        let mut host = session();
        follow(&mut host, None);
        for (text, place) in [
            ("[:find ?e :where (foo ?e)]", Some((1, 1))),
            ("\n  [:find ?e :where (foo ?e)] ; unknown", Some((1, 1))),
        ] {
            let fault = run(&mut host, text).unwrap_err();
            assert!(fault.message.contains("foo"), "{}", fault.message);
            assert_eq!(fault.place.map(|(line, _)| line), place.map(|p| p.0));
        }
    }

    #[test]
    fn db_follows_conn_until_a_script_sets_it() {
        let mut host = session();
        let count = "[:find (count ?e) . :where [?e :name]]";
        for (script, rows) in [
            ("conn.transact([#{name: \"a\"}]);", 1),
            ("conn.transact([#{name: \"b\"}]);", 2),
            ("let db = conn.db(); conn.transact([#{name: \"c\"}]);", 2),
            ("let db = (); ", 3),
        ] {
            follow(&mut host, None);
            let _ = run(&mut host, script).unwrap();
            follow(&mut host, None);
            let found = run(&mut host, count).unwrap();
            assert_eq!(found.as_int().ok(), Some(rows), "{script}");
        }
    }
}
