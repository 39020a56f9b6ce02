//! Functions that users write in rhai, in queries and transactions, as the language reference of them.

use std::sync::Arc;

use datalith_engine::script::{Allowance, ScriptColumn, ScriptResult};
use datalith_scripts::shown::{self, Shown};
use datalith_scripts::{Host, Settings, Sink};

struct Silent;

impl Sink for Silent {
    fn print(&self, _: &str) {}
    fn show(&self, _: &Shown) {}
}

/// A database of a few deals, and functions in it.
const BEFORE: &str = r##"
let conn = open(":memory:");
conn.transact(edn { [{:db/ident :deal/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
                     {:db/ident :deal/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
                     {:db/ident :deal/rate :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
                     {:db/ident :my/score :db/fn "|price, rate| price * rate"}
                     {:db/ident :my/large? :db/fn "fn(price) { price >= 100 }"}
                     {:db/ident :my/median :db/fn "fn median(all) { all.sort(); all[all.len() / 2] }"}
                     {:db/ident :my/raise :db/fn "|db, name, by| { let old = db.q(`[:find ?p . :in $ ?n :where [?e :deal/name ?n] [?e :deal/price ?p]]`, name); [[\":db/add\", [\":deal/name\", name], \":deal/price\", old + by]] }"}] });
conn.transact([#{ "deal/name": "a", "deal/price": 50, "deal/rate": 0.5 }, #{ "deal/name": "b", "deal/price": 100, "deal/rate": 2.0 },
               #{ "deal/name": "c", "deal/price": 200, "deal/rate": 1.0 }]);
let db = conn.db();
"##;

fn answer(script: &str) -> String {
    datalith_scripts::function::install();
    let mut host = Host::new(&Settings::default(), Arc::new(Silent));
    let ran = host.eval(BEFORE).and_then(|_| host.eval(script));
    match ran {
        Ok(value) => shown::text(&value, 0),
        Err(fault) => {
            let place = fault
                .place
                .map(|(line, column)| format!(" at {line}:{column}"))
                .unwrap_or_default();
            let inner = fault.error.as_ref().map(|error| {
                let data: Vec<String> = ["function", "line", "column"]
                    .iter()
                    .filter_map(|key| error.data().iter().find(|(name, _)| name == key))
                    .map(|(key, value)| format!("{key} {value}"))
                    .collect();
                format!(" ({})", data.join(", "))
            });
            format!("{}{}{place}", fault.message, inner.unwrap_or_default())
        }
    }
}

fn check(script: &str, expected: &str) {
    assert_eq!(answer(script), expected, "{script}");
}

#[test]
fn queries_call_functions() {
    check(
        "db.q(datalog { [:find [?s ...] :where [?e :deal/price ?p] [?e :deal/rate ?r] [(my/score ?p ?r) ?s]] }).sort().to_array()",
        "[25.0, 200.0]",
    );
    check(
        "db.q(datalog { [:find [?n ...] :where [?e :deal/name ?n] [?e :deal/price ?p] [(my/large? ?p)]] }).sort().to_array()",
        "[\"b\", \"c\"]",
    );
    check(
        "db.q(datalog { [:find (my/median ?p) . :with ?e :where [?e :deal/price ?p]] })",
        "100",
    );
}

#[test]
fn functions_have_functions_of_their_own() {
    check(
        "conn.transact(edn { [{:db/ident :my/sum :db/fn \"|db, a, b| { let of = |n| db.q(`[:find ?p . :in $ ?n :where [?e :deal/name ?n] [?e :deal/price ?p]]`, n); of.call(a) + of.call(b) }\"}] }); \
         conn.db().q(datalog { [:find ?s . :where [(my/sum $ \"a\" \"c\") ?s]] })",
        "250",
    );
    check(
        "conn.transact(edn { [{:db/ident :my/four :db/fn \"fn twice(x) { x * 2 } fn four(x) { twice(twice(x)) }\"}] }); \
         conn.db().q(datalog { [:find ?y . :in $ ?x :where [(my/four ?x) ?y]] }, 3)",
        "12",
    );
}

#[test]
fn sessions_define_functions() {
    check(
        "let limit = 60; define(\"s/over\", |p| p > limit); db.q(datalog { [:find (count ?e) . :where [?e :deal/price ?p] [(s/over ?p)]] })",
        "2",
    );
    check(
        "fn twice(x) { x * 2 } define(\"s/four\", |x| twice(twice(x))); q(datalog { [:find ?y . :in ?x :where [(s/four ?x) ?y]] }, 3)",
        "12",
    );
}

#[test]
fn transactions_call_functions() {
    check(
        "conn.transact([[\":my/raise\", \"a\", 7]]); conn.db().pull([\"deal/price\"], [\"deal/name\", \"a\"])",
        "#{\"deal/price\": 57}",
    );
    // All calls of a transaction see what was so before it.
    check(
        "conn.transact([[\":my/raise\", \"a\", 7], [\":db/add\", [\":deal/name\", \"b\"], \":deal/price\", 1], [\":my/raise\", \"c\", 1]]); \
           conn.db().q(`[:find [?p ...] :where [_ :deal/price ?p]]`).sort().to_array()",
        "[1, 57, 201]",
    );
}

#[test]
fn errors_name_the_function_and_the_place() {
    check(
        "conn.transact(edn { [{:db/ident :my/bad :db/fn \"|x| x +\"}] })",
        "Cannot keep the function my/bad: Unexpected '}' (function my/bad, line 2, column 1) at 1:6",
    );
    check(
        "conn.transact(edn { [{:db/ident :my/bad :db/fn \"|x| {\\n  throw `no ${x}`\\n}\"}] }); \
           conn.db().q(datalog { [:find ?y . :in $ ?x :where [(my/bad ?x) ?y]] }, 3)",
        "no 3 (function my/bad, line 2, column 3) at 1:134",
    );
    check(
        "db.q(datalog { [:find ?y . :in $ ?x :where [(my/score ?x 9223372036854775807) ?y]] }, 3)",
        "Multiplication overflow: 3 * 9223372036854775807 (function my/score, line 1, column 21) at 1:44",
    );
}

#[test]
fn runaway_functions_end_with_their_query() {
    let long = "conn.transact(edn { [{:db/ident :my/loop :db/fn \"|x| { loop {} }\"} {:db/ident :my/deep :db/fn \"fn deep(x) { deep(x + 1) }\"}] });";
    check(
        &format!(
            "{long} conn.db().q(datalog {{ [:find ?y . :in $ ?x :timeout 50 :where [(my/loop ?x) ?y]] }}, 3)"
        ),
        "Query took longer than 50 ms (function my/loop) at 1:192",
    );
    let deep = answer(&format!(
        "{long} conn.db().q(datalog {{ [:find ?y . :in $ ?x :where [(my/deep ?x) ?y]] }}, 3)"
    ));
    assert!(deep.contains("Stack overflow"), "{deep}");
}

/// What is arithmetic gives by columns what rhai gives row by row, or leaves the column to rhai.
#[test]
fn columns_agree_with_rows() {
    datalith_scripts::function::install();
    let longs = [0, 1, -1, 7, -8, 1_000_003, i64::MAX, i64::MIN, 42];
    let doubles = [
        0.0,
        -0.0,
        1.5,
        -2.25,
        f64::MAX,
        f64::NAN,
        f64::INFINITY,
        1e-300,
        3.0,
    ];
    let sources = [
        "|x, y| x + y",
        "|x, y| x - y",
        "|x, y| x * y",
        "|x, y| x / y",
        "|x, y| x % y",
        "|x, y| x > y",
        "|x, y| x <= y",
        "|x, y| x == y",
        "|x, y| x != y && x < 7",
        "|x, y| !(x < y) || y > 100",
        "|x, y| -x",
        "|x, y| x.abs() + 1",
        "|x, y| if x > y { x } else { y }",
        "|x, y| { let d = x - y; d * d }",
        "|x, y| sqrt(to_float(x)) > 2.0",
        "|x, y| x * 2 + y > 10",
        "|x, y| { return x < y; }",
        "|x, y| if x > 0 { 1 } else { 2.0 }",
        "|x, y| x ** 2",
    ];
    let mut by_columns = 0;
    for source in sources {
        let script = datalith_scripts::function::compile("t/f", source).unwrap();
        for &y in &longs {
            by_columns += usize::from(compare(
                &*script,
                source,
                ScriptColumn::Longs(&longs),
                ScriptColumn::Long(y),
            ));
        }
        for &y in &doubles {
            by_columns += usize::from(compare(
                &*script,
                source,
                ScriptColumn::Longs(&longs),
                ScriptColumn::Double(y),
            ));
            by_columns += usize::from(compare(
                &*script,
                source,
                ScriptColumn::Doubles(&doubles),
                ScriptColumn::Double(y),
            ));
        }
        by_columns += usize::from(compare(
            &*script,
            source,
            ScriptColumn::Longs(&longs),
            ScriptColumn::Doubles(&doubles),
        ));
    }
    assert!(
        by_columns > 300,
        "{by_columns} columns were worked out at once"
    );
}

/// Whether there was a result by columns; it must be that of the rows.
fn compare(
    script: &dyn datalith_engine::script::Script,
    source: &str,
    x: ScriptColumn<'_>,
    y: ScriptColumn<'_>,
) -> bool {
    use datalith_engine::Value;
    let at = |column: ScriptColumn<'_>, row: usize| match column {
        ScriptColumn::Longs(longs) => Value::Long(longs[row]),
        ScriptColumn::Doubles(doubles) => Value::Double(doubles[row]),
        ScriptColumn::Long(n) => Value::Long(n),
        ScriptColumn::Double(n) => Value::Double(n),
    };
    let rows = 9;
    let Some(result) = script.columns(&[x, y], rows) else {
        return false;
    };
    for row in 0..rows {
        let expected = script.call(&[at(x, row), at(y, row)], &Allowance::default());
        let expected = expected.unwrap_or_else(|error| panic!("{source}: {error}"));
        let same = match (&result, &expected) {
            (ScriptResult::Longs(all), Value::Long(n)) => all[row] == *n,
            (ScriptResult::Doubles(all), Value::Double(n)) => {
                all[row].to_bits() == n.to_bits() || (all[row].is_nan() && n.is_nan())
            }
            (ScriptResult::Bools(all), Value::Bool(b)) => all[row] == *b,
            _ => false,
        };
        assert!(
            same,
            "{source} of {} and {}: {result:?}, not {expected}",
            at(x, row),
            at(y, row)
        );
    }
    true
}
