//! What scripts may say about tables, as a reference: what is typed, what comes back.

use std::sync::{Arc, Mutex};

use datalith_engine::exec::{self, Input, QueryOptions};
use datalith_engine::{Value, edn};
use rhai::Engine;

use super::{Column, Kind, Table};
use crate::files::Grants;
use crate::meter::Meter;

/// An engine that knows tables, and what it printed.
fn engine(files: &Grants) -> (Engine, Arc<Mutex<String>>) {
    let mut engine = Engine::new();
    super::register(&mut engine, &Meter::default(), files);
    let printed = Arc::new(Mutex::new(String::new()));
    let out = Arc::clone(&printed);
    engine.on_print(move |text| out.lock().unwrap().push_str(text));
    (engine, printed)
}

/// What a script comes to, as `print` shows it; or why it fails.
fn answer(script: &str) -> String {
    let (engine, printed) = engine(&Grants::default());
    let script = format!("let trips = {TRIPS};\nprint({{ {script} }})");
    if let Err(error) = engine.run(&script) {
        let text = error.to_string();
        let text = text.trim_start_matches("Runtime error: ");
        return text.split(" (line").next().unwrap_or(text).to_owned();
    }
    let printed = printed.lock().unwrap();
    printed.clone()
}

/// The table of all examples.
const TRIPS: &str = r#"table([
    #{from: "OSL", to: "JFK", miles: 3660, price: 420.5},
    #{from: "OSL", to: "LHR", miles: 750, price: 99.0},
    #{from: "LHR", to: "JFK", miles: 3450, price: ()},
    #{from: "JFK", to: "SFO", miles: 2580, price: 250.0}])
    .select(["from", "to", "miles", "price"])"#;

fn check(examples: &[(&str, &str)]) {
    check_examples(examples, answer);
}

/// Checks examples: a script and its answer, spaces at the ends of lines aside.
pub(crate) fn check_examples(examples: &[(&str, &str)], answer: impl Fn(&str) -> String) {
    let trim = |text: &str| {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut wrong = String::new();
    for (script, expected) in examples {
        let (answer, expected) = (trim(&answer(script)), trim(expected));
        if answer != expected {
            wrong.push_str(&format!(
                "\n{script}\n--- expected\n{expected}\n--- but is\n{answer}\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn tables_are_made_and_looked_at() {
    check(&[
        (
            "trips",
            "from   to    miles   price
             ────── ───── ─────── ───────
              OSL    JFK    3660   420.5
              OSL    LHR     750    99.0
              LHR    JFK    3450
              JFK    SFO    2580   250.0",
        ),
        ("trips.len()", "4"),
        ("len(trips)", "4"),
        ("trips.columns", r#"["from", "to", "miles", "price"]"#),
        (
            "trips[1]",
            r#"#{"from": "OSL", "miles": 750, "price": 99.0, "to": "LHR"}"#,
        ),
        ("trips[-1].to", "SFO"),
        ("trips[4]", "no number 4 among 4 rows"),
        (r#"trips["miles"]"#, "[3660, 750, 3450, 2580]"),
        ("trips.price", "[420.5, 99.0, (), 250.0]"),
        (
            r#"trips.col("milse")"#,
            "no column milse; there are from, to, miles, price",
        ),
        ("let n = 0; for row in trips { n += row.miles } n", "10440"),
        (
            "trips.head(1)",
            "from   to    miles   price\n────── ───── ─────── ───────\nOSL    JFK    3660   420.5",
        ),
        ("trips.tail(1).to.len()", "1"),
        ("trips.slice(1, 2).miles", "[750, 3450]"),
        (
            "table(#{a: [1, 2], b: [0.5, 1]})",
            "a     b\n─── ─────\n1   0.5\n2   1.0",
        ),
        (
            "table(#{a: [1, 2], b: [0.5]})",
            "the columns of a table are of one length, not 2 and 1",
        ),
        ("table([])", "no rows"),
        ("table([#{a: [1, 2]}])", "a\n───────\n[1 2]"),
    ]);
}

#[test]
fn rows_are_chosen() {
    check(&[
        ("trips.filter(|row| row.miles > 3000).miles", "[3660, 3450]"),
        ("trips.map(|row| row.miles / 10)", "[366, 75, 345, 258]"),
        (
            "trips.concat(table([#{miles: 1, note: \"x\"}])).note",
            "[(), (), (), (), x]",
        ),
    ]);
}

#[test]
fn columns_are_chosen() {
    check(&[
        (r#"trips.select("miles").columns"#, r#"["miles"]"#),
        (
            r#"trips.drop(["from", "to"]).columns"#,
            r#"["miles", "price"]"#,
        ),
        (
            r#"trips.rename(#{from: "start"}).columns"#,
            r#"["start", "to", "miles", "price"]"#,
        ),
        (r#"trips.with_column("one", 1).one"#, "[1, 1, 1, 1]"),
        (r#"trips.with_column("n", [1, 2, 3, 4]).n"#, "[1, 2, 3, 4]"),
        (
            r#"trips.with_column("n", [1])"#,
            "column n has 1 cells, the table 4 rows",
        ),
    ]);
}

#[test]
fn columns_are_calculated_with() {
    check(&[
        ("trips.miles + 1", "[3661, 751, 3451, 2581]"),
        ("1000 - trips.miles", "[-2660, 250, -2450, -1580]"),
        (
            "trips.miles * 2 + trips.miles",
            "[10980, 2250, 10350, 7740]",
        ),
        ("trips.miles / 1000", "[3, 0, 3, 2]"),
        ("trips.miles / 1000.0", "[3.66, 0.75, 3.45, 2.58]"),
        ("trips.miles % 1000", "[660, 750, 450, 580]"),
        ("trips.price * 2", "[841.0, 198.0, (), 500.0]"),
        ("-trips.miles", "[-3660, -750, -3450, -2580]"),
        (
            r#"trips.from + "-" + trips.to"#,
            "[OSL-JFK, OSL-LHR, LHR-JFK, JFK-SFO]",
        ),
        ("trips.miles / 0", "division by zero"),
        (
            "trips.miles * 9223372036854775807",
            "the numbers are too large for 64 bits",
        ),
        ("trips.miles + trips.from", "cannot add long and string"),
        (
            "trips.miles + trips.head(1).miles",
            "columns of 4 and 1 cells do not go together",
        ),
        ("(-trips.miles).abs()", "[3660, 750, 3450, 2580]"),
        ("(trips.price / 7).round(2)", "[60.07, 14.14, (), 35.71]"),
        ("(trips.price / 7).round()", "[60.0, 14.0, (), 36.0]"),
        (
            "trips.miles.cast(\"double\")",
            "[3660.0, 750.0, 3450.0, 2580.0]",
        ),
        ("trips.price.cast(\"long\")", "[420, 99, (), 250]"),
        ("trips.miles.cast(\"string\")[0] + \"!\"", "3660!"),
        ("column([\"1\", \" 2\"]).cast(\"long\").sum()", "3"),
        ("column([\"x\"]).cast(\"long\")", "x is no whole number"),
        ("trips.price.fill(0)", "[420.5, 99.0, 0.0, 250.0]"),
        (
            "trips.price.fill(trips.miles)",
            "[420.5, 99.0, 3450.0, 250.0]",
        ),
    ]);
}

#[test]
fn masks_choose_rows() {
    check(&[
        ("trips.miles > 3000", "[true, false, true, false]"),
        ("3000 > trips.miles", "[false, true, false, true]"),
        ("trips.miles >= 3450.0", "[true, false, true, false]"),
        ("trips.from == \"OSL\"", "[true, true, false, false]"),
        ("trips.from != trips.to", "[true, true, true, true]"),
        ("trips.price < 300", "[false, true, (), true]"),
        ("trips.price == ()", "[false, false, true, false]"),
        ("trips.price.is_null()", "[false, false, true, false]"),
        (
            "(trips.price < 300) | (trips.miles > 3000)",
            "[true, true, true, true]",
        ),
        (
            "(trips.price < 300) & !(trips.miles > 3000)",
            "[false, true, false, true]",
        ),
        ("trips.filter(trips.price < 300).to", "[LHR, SFO]"),
        (
            "trips.filter(trips.miles)",
            "a mask is of bools, this column is of kind long",
        ),
        (
            "trips.filter(trips.head(1).miles > 1)",
            "the mask has 1 cells, the table 4 rows",
        ),
        ("trips.miles > \"x\"", "cannot compare long and string"),
        (
            "trips.miles.between(750, 3000)",
            "[false, true, false, true]",
        ),
        ("trips.from.contains(\"S\")", "[true, true, false, false]"),
        (
            "trips.from.starts_with(\"L\")",
            "[false, false, true, false]",
        ),
        ("trips.from.ends_with(\"K\")", "[false, false, false, true]"),
        ("trips.from.lower()", "[osl, osl, lhr, jfk]"),
        ("trips.from.lower().upper()", "[OSL, OSL, LHR, JFK]"),
        (
            "trips.miles.lower()",
            "lower takes strings, this column is of kind long",
        ),
        ("trips.miles.filter(trips.price > 99)", "[3660, 2580]"),
    ]);
}

#[test]
fn columns_are_measured() {
    check(&[
        ("trips.miles.sum()", "10440"),
        ("trips.price.sum()", "769.5"),
        ("trips.price.count()", "3"),
        ("trips.price.len()", "4"),
        ("trips.price.mean()", "256.5"),
        ("[trips.price.min(), trips.price.max()]", "[99.0, 420.5]"),
        ("[trips.from.min(), trips.from.max()]", r#"["JFK", "OSL"]"#),
        ("trips.miles.median()", "3015.0"),
        ("trips.miles.quantile(0.25)", "2122.5"),
        ("trips.miles.quantile(1)", "3660.0"),
        (
            "trips.miles.quantile(2)",
            "a quantile is from 0 to 1, not 2",
        ),
        ("table(#{x: [1, 2, 3, 4]}).x.std()", "1.2909944487358056"),
        ("trips.from.distinct()", "[OSL, LHR, JFK]"),
        ("trips.from.count_distinct()", "3"),
        ("trips.price.sort()", "[99.0, 250.0, 420.5, ()]"),
        (
            "trips.from.mean()",
            "mean takes numbers, this column is of kind string",
        ),
        ("(trips.miles > 3000).sum()", "2"),
        ("(trips.miles > 3000).mean()", "0.5"),
        ("trips.miles.to_array()", "[3660, 750, 3450, 2580]"),
        ("trips.miles[-1]", "2580"),
        (
            "let n = 0; for miles in trips.miles { n += miles } n",
            "10440",
        ),
        (
            "column([9223372036854775807, 1]).sum()",
            "the numbers are too large for 64 bits",
        ),
    ]);
}

#[test]
fn instants_have_parts() {
    let days = r#"let c = column(["2026-05-31T13:45:10Z", (), "1969-12-31"]).cast("instant");"#;
    for (script, expected) in [
        ("c.year()", "[2026, (), 1969]"),
        ("c.month()", "[5, (), 12]"),
        ("c.day()", "[31, (), 31]"),
        ("c.hour()", "[13, (), 0]"),
        ("c.minute()", "[45, (), 0]"),
        ("c.weekday()", "[7, (), 3]"),
        (
            r#"c.start_of("hour") == "2026-05-31T13:00:00Z""#,
            "[true, (), false]",
        ),
        (r#"c.start_of("day") == "2026-05-31""#, "[true, (), false]"),
        (r#"c.start_of("week") == "2026-05-25""#, "[true, (), false]"),
        (
            r#"c.start_of("month") == "2026-05-01""#,
            "[true, (), false]",
        ),
        (
            r#"c.start_of("quarter") == "1969-10-01""#,
            "[false, (), true]",
        ),
        (r#"c.start_of("year") == "1969-01-01""#, "[false, (), true]"),
        ("c - c", "[0, (), 0]"),
        ("(c + 1000 - c)", "[1000, (), 1000]"),
        (r#"c < "1970-01-01""#, "[false, (), true]"),
        (r#"c < "soon""#, "soon is no date such as 2026-01-31"),
        (
            r#"c.start_of("fortnight")"#,
            "start_of takes minute, hour, day, week, month, quarter, year, not fortnight",
        ),
        (
            "trips.miles.year()",
            "an instant has parts, this column is of kind long",
        ),
    ] {
        check(&[(&format!("{days} {script}"), expected)]);
    }
}

#[test]
fn rows_are_sorted_and_grouped() {
    check(&[
        ("trips.sort(\"miles\").miles", "[750, 2580, 3450, 3660]"),
        ("trips.sort(\"-price\").price", "[420.5, 250.0, 99.0, ()]"),
        ("trips.sort([\"to\", \"-miles\"]).miles", "[3660, 3450, 750, 2580]"),
        ("trips.sort(\"-milse\")", "no column milse; there are from, to, miles, price"),
        ("trips.select(\"from\").distinct().from", "[OSL, LHR, JFK]"),
        (
            r#"trips.group_by("from", #{n: "count", miles: ["sum", "miles"], prices: ["count", "price"]})"#,
            "from   miles   n   prices
            ────── ─────── ─── ────────
             OSL     4410   2        2
             LHR     3450   1        0
             JFK     2580   1        1",
        ),
        (
            r#"trips.group_by(["from"], #{to: ["list", "to"], first: ["first", "to"], mean: ["mean", "price"]})"#,
            "from   first     mean   to
            ────── ─────── ──────── ───────────────
             OSL    JFK     259.75   [\"JFK\" \"LHR\"]
             LHR    JFK              [\"JFK\"]
             JFK    SFO      250.0   [\"SFO\"]",
        ),
        (r#"trips.group_by([], #{n: "count"}).n"#, "[4]"),
        (r#"trips.group_by("from", #{n: "sum"})"#, r#"n: sum needs a column, as in ["sum", "miles"]"#),
        (
            r#"trips.group_by("from", #{n: ["total", "miles"]})"#,
            "no measure total; there are count, sum, mean, min, max, median, std, count_distinct, first, list",
        ),
        (
            r#"trips.pivot(#{rows: "from", columns: "to", values: "miles"})"#,
            "from    JFK   LHR    SFO
            ────── ────── ───── ──────
             OSL    3660   750
             LHR    3450
             JFK                 2580",
        ),
        (
            "trips.describe()",
            "column   kind     count   nulls   distinct     mean       std   min       q25   median      q75   max
            ──────── ──────── ─────── ─────── ────────── ──────── ───────── ────── ──────── ──────── ──────── ───────
             from     string       4       0          3                      JFK                               OSL
             to       string       4       0          3                      JFK                               SFO
             miles    long         4       0          4   2610.0   1325.22   750    2122.5   3015.0   3502.5   3660
             price    double       3       1          3    256.5   160.849   99.0    174.5    250.0   335.25   420.5",
        ),
    ]);
}

#[test]
fn tables_are_joined() {
    let cities = r#"let cities = table([#{code: "OSL", city: "Oslo"}, #{code: "LHR", city: "London"}, #{code: "LHR", city: "Windsor"}, #{code: ()}]);"#;
    let check = |examples: &[(&str, &str)]| {
        for (script, expected) in examples {
            check(&[(&format!("{cities} {script}"), expected)]);
        }
    };
    check(&[
        (
            r#"trips.drop("price").join(cities, #{left: "from", right: "code"})"#,
            "from   to    miles   city
            ────── ───── ─────── ─────────
             OSL    JFK    3660   Oslo
             OSL    LHR     750   Oslo
             LHR    JFK    3450   London
             LHR    JFK    3450   Windsor",
        ),
        (
            r#"trips.join(cities, #{left: "from", right: "code", how: "left"}).city"#,
            "[Oslo, Oslo, London, Windsor, ()]",
        ),
        (
            r#"trips.join(cities, #{left: "from", right: "code", how: "semi"}).miles"#,
            "[3660, 750, 3450]",
        ),
        (
            r#"trips.join(cities, #{left: "from", right: "code", how: "anti"}).miles"#,
            "[2580]",
        ),
        (
            r#"cities.join(cities, "code").city_2"#,
            "[Oslo, London, Windsor, London, Windsor]",
        ),
        (
            r#"trips.join(cities, #{left: "miles", right: "code"})"#,
            "column miles is of kind long, column code of kind string",
        ),
        (
            r#"trips.join(cities, "code")"#,
            "no column code; there are from, to, miles, price",
        ),
        (
            r#"trips.join(cities, #{on: "code", how: "cross"})"#,
            "no join cross; there are inner, left, semi, anti",
        ),
    ]);
}

#[test]
fn tables_become_text_and_come_back() {
    check(&[
        (
            "trips.to_csv()",
            "from,to,miles,price\nOSL,JFK,3660,420.5\nOSL,LHR,750,99.0\nLHR,JFK,3450,\nJFK,SFO,2580,250.0",
        ),
        (
            "trips.head(2).to_json()",
            r#"[{"from":"OSL","to":"JFK","miles":3660,"price":420.5},
               {"from":"OSL","to":"LHR","miles":750,"price":99.0}]"#,
        ),
        (
            "trips.tail(2).head(1).to_jsonl()",
            r#"{"from":"LHR","to":"JFK","miles":3450,"price":null}"#,
        ),
        (
            "table([#{a: \"x|y\", n: 1}]).select([\"a\", \"n\"]).to_markdown()",
            "| a | n |\n| --- | ---: |\n| x\\|y | 1 |",
        ),
        (
            "table([#{a: \"<b>\", n: 1}]).select([\"a\", \"n\"]).to_html()",
            r#"<table class="datalith">
            <thead><tr><th title="string" style="text-align: left">a</th><th title="long" style="text-align: right">n</th></tr></thead>
            <tbody>
            <tr><td style="text-align: left">&lt;b&gt;</td><td style="text-align: right">1</td></tr>
            </tbody>
            </table>
            <p class="datalith-shape">1 row × 2 columns</p>"#,
        ),
        (
            "parse_csv(trips.to_csv()).to_csv() == trips.to_csv()",
            "true",
        ),
        (
            r#"parse_csv("n;x;b;day;zip\n1;1;true;2026-01-31;007\n;2.5;false;2026-01-31 12:00;\n", #{delimiter: ";"})"#,
            "n     x   b       day                             zip
            ─── ───── ─────── ─────────────────────────────── ─────
              1   1.0   true    2026-01-31T00:00:00.000-00:00   007
                  2.5   false   2026-01-31T12:00:00.000-00:00",
        ),
        (
            r#"parse_csv("1,2\n3,4", #{header: false}).columns"#,
            r#"["column_1", "column_2"]"#,
        ),
        (
            r#"parse_csv("a,b\n1,2\n3\n")"#,
            "line 3: 1 fields where 2 are expected",
        ),
        (r#"parse_csv("a,b\n")"#, "a   b\n─── ───\nno rows"),
        (r#"parse_csv("")"#, "no rows"),
        (
            r#"parse_csv("a\nx", #{header: 1})"#,
            "header is true or false, not i64",
        ),
        (
            r#"parse_csv("a\nx", #{separator: ","})"#,
            "read_csv has no option separator; there are delimiter, header",
        ),
        (
            r#"read_csv("/etc/hostname")"#,
            "scripts may not read /etc/hostname: allow it with --allow-read /etc",
        ),
        (
            r#"trips.to_csv("/tmp/trips.csv")"#,
            "scripts may not write /tmp/trips.csv: allow it with --allow-write /tmp",
        ),
    ]);
}

#[test]
fn tables_become_files_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let files = Grants::new(&[], &[folder.path().into()]).unwrap();
    let (engine, _) = engine(&files);
    let mut given = asked(
        &["?n", "?x", "?k"],
        "[[1 2.5 :a/b] [nil nil nil] [3 -0.5 :c]]",
    );
    let values = ["nil", "[1 {:a #{2}}]", "\"text\""].map(|text| edn::read(text).unwrap());
    given = given
        .with("any", Column::from_values(values.to_vec()))
        .unwrap();
    for (suffix, keeps_kinds) in [
        ("parquet", true),
        ("arrow", true),
        ("json", false),
        ("csv", false),
    ] {
        let path = folder.path().join(format!("deep/table.{suffix}"));
        let path = path.to_str().unwrap();
        let mut scope = rhai::Scope::new();
        scope.push("given", given.clone());
        let script = format!("given.to_{suffix}({path:?}); read_{suffix}({path:?})");
        let read = engine
            .eval_with_scope::<Table>(&mut scope, &script)
            .unwrap();
        assert_eq!(read.names(), given.names(), "{suffix}");
        match keeps_kinds {
            true => assert_eq!(read.to_value(), given.to_value(), "{suffix}"),
            false => assert_eq!(
                read.select(&["n".into(), "x".into()]).unwrap().to_value(),
                given.select(&["n".into(), "x".into()]).unwrap().to_value(),
                "{suffix}"
            ),
        }
    }
    std::fs::write(
        folder.path().join("lines.json"),
        "{\"b\": 1, \"a\": [1.5]}\n{\"a\": null}\n",
    )
    .unwrap();
    let path = folder.path().join("lines.json");
    let read: Table = engine.eval(&format!("read_json({path:?})")).unwrap();
    assert_eq!(read.names(), ["b", "a"]);
    assert_eq!(read.to_value(), edn::read("[[1 [1.5]] [nil nil]]").unwrap());
    std::fs::write(&path, "{\"a\": 1}\n{\"a\" 2}\n").unwrap();
    let error = engine
        .eval::<Table>(&format!("read_json({path:?})"))
        .unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn tables_without_rows_or_values_work() {
    check(&[
        (
            "let t = trips.head(0); t.filter(t.miles > 1).sort(\"miles\").distinct().len()",
            "0",
        ),
        (
            "trips.head(0).group_by(\"from\", #{n: \"count\"}).len()",
            "0",
        ),
        ("trips.head(0).group_by([], #{n: \"count\"}).len()", "0"),
        ("trips.head(0).join(trips, \"from\").len()", "0"),
        (
            "trips.join(trips.head(0), #{on: \"from\", how: \"anti\"}).len()",
            "4",
        ),
        (
            "trips.join(trips.head(0), #{on: \"from\", how: \"left\"}).price_2",
            "[(), (), (), ()]",
        ),
        ("trips.head(0).miles.sum()", "0"),
        ("trips.head(0).miles.mean()", ""),
        ("trips.head(0).miles.median()", ""),
        ("trips.head(0).describe().len()", "4"),
        (
            "trips.head(0).pivot(#{rows: \"from\", columns: \"to\", values: \"miles\"}).columns",
            r#"["from"]"#,
        ),
        ("trips.head(1).miles.std()", ""),
        (
            "let c = column([(), ()]); [c + 1, c.sum(), c.max(), c.fill(3), c > 1, c.count_distinct()].map(|x| `${x}`)",
            r#"["[(), ()]", "0", "", "[3, 3]", "[(), ()]", "0"]"#,
        ),
        (
            "table([#{a: ()}, #{a: ()}]).sort(\"a\").distinct().len()",
            "1",
        ),
        ("column([1, \"a\", ()]).sort()", "[1, a, ()]"),
        ("column([1, \"a\", ()]) == 1", "[true, false, ()]"),
        (
            "column([1, \"a\"]) + 1",
            "cannot add any and long: a column of kind any has values of several kinds, cast(\"double\") makes numbers of it",
        ),
    ]);
}

/// A number that looks random, the same on each run.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn kernels_agree_with_a_plain_loop() {
    let mut state = 7;
    let mut cells = |rows: usize| -> Vec<Option<i64>> {
        let mut cell =
            || (!next(&mut state).is_multiple_of(4)).then(|| next(&mut state) as i64 % 7 - 3);
        (0..rows).map(|_| cell()).collect()
    };
    for rows in [0, 1, 2, 5, 63, 64, 65, 200] {
        let (a, b) = (cells(rows), cells(rows));
        let value = |cell: &Option<i64>| cell.map_or(Value::Nil, Value::Long);
        let both: Vec<Vec<Value>> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| vec![value(a), value(b)])
            .collect();
        let table = Table::from_rows(vec!["a".into(), "b".into()], both);
        let run = |script: &str| -> Value {
            let (engine, _) = engine(&Grants::default());
            let mut scope = rhai::Scope::new();
            scope.push("t", table.clone());
            crate::value::to_value(&engine.eval_with_scope(&mut scope, script).unwrap()).unwrap()
        };
        let each = |cell: &dyn Fn(i64, i64) -> Value| {
            let pairs = a.iter().zip(&b);
            Value::vector(pairs.map(|(a, b)| a.zip(*b).map_or(Value::Nil, |(a, b)| cell(a, b))))
        };
        assert_eq!(run("t.a * t.b - 2"), each(&|a, b| Value::Long(a * b - 2)));
        assert_eq!(
            run("t.a / (t.b * t.b + 1)"),
            each(&|a, b| Value::Long(a / (b * b + 1)))
        );
        assert_eq!(run("t.a <= t.b"), each(&|a, b| Value::Bool(a <= b)));
        let known: Vec<i64> = a.iter().copied().flatten().collect();
        assert_eq!(run("t.a.sum()"), Value::Long(known.iter().sum()));
        assert_eq!(
            run("t.a.max()"),
            known.iter().max().map_or(Value::Nil, |n| Value::Long(*n))
        );
        let mean = || known.iter().sum::<i64>() as f64 / known.len() as f64;
        let mean = (!known.is_empty())
            .then(mean)
            .map_or(Value::Nil, Value::Double);
        assert_eq!(run("t.a.mean()"), mean);
        let mut sorted = known.clone();
        sorted.sort_unstable();
        let middle = |of: &[i64]| (of[(of.len() - 1) / 2] + of[of.len() / 2]) as f64 / 2.0;
        let median = (!sorted.is_empty()).then(|| middle(&sorted));
        let median = median.map_or(Value::Nil, Value::Double);
        assert_eq!(run("t.a.median()"), median);
        let padded = sorted.iter().map(|n| Value::Long(*n));
        let padded = padded.chain(std::iter::repeat_n(Value::Nil, rows - known.len()));
        assert_eq!(run("t.a.sort()"), Value::vector(padded));
        let pairs = |left: &Option<i64>| {
            b.iter()
                .filter(|right| left.is_some() && left == *right)
                .count()
        };
        let joined: usize = a.iter().map(pairs).sum();
        let join = r#"t.join(t, #{left: "a", right: "b"}).len()"#;
        assert_eq!(run(join), Value::from(joined));
        let (left, anti) = (r#"how: "left""#, r#"how: "anti""#);
        let alone = a.iter().filter(|left| pairs(left) == 0).count();
        for (how, expected) in [(left, joined + alone), (anti, alone)] {
            let join = format!(r#"t.join(t, #{{left: "a", right: "b", {how}}}).len()"#);
            assert_eq!(run(&join), Value::from(expected));
        }
        let distinct: std::collections::HashSet<_> = a.iter().zip(&b).collect();
        assert_eq!(run("t.distinct().len()"), Value::from(distinct.len()));
        let groups = r#"t.group_by("a", #{sum: ["sum", "b"]}).sum.sum()"#;
        assert_eq!(run(groups), Value::Long(b.iter().flatten().sum()));
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_made() {
    let (mut engine, meter) = (Engine::new(), Meter::default());
    super::register(&mut engine, &meter, &Grants::default());
    meter.set_memory_bytes(64 << 20);
    meter.begin(None);
    let rows = "let t = table(#{x: [1, 1, 1, 1, 1, 1, 1, 1]});";
    let squared = "t = t.join(t, \"x\");";
    let script = [rows, &squared.repeat(5)].concat();
    let error = engine.eval::<Table>(&(script + " t")).unwrap_err();
    assert!(
        matches!(*error, rhai::EvalAltResult::ErrorTerminated(..)),
        "{error}"
    );
}

/// The table of a query over rows, its columns called as the find says.
fn asked(find: &[&str], rows: &str) -> Table {
    let query = format!("[:find {} :in [[?n ?x ?k]]]", find.join(" "));
    let (query, rows) = (edn::read(&query).unwrap(), edn::read(rows).unwrap());
    let answer = exec::q(&query, &[Input::Value(rows)], &QueryOptions::default()).unwrap();
    Table::from_answer(
        &answer,
        find.iter().map(|name| (*name).to_owned()).collect(),
    )
}

#[test]
fn answers_stay_columns() {
    let table = asked(&["?n", "?x", "?k"], "[[1 2.5 :a/b] [2 0.5 :c]]");
    let kinds: Vec<Kind> = table.columns().iter().map(Column::kind).collect();
    assert_eq!(kinds, [Kind::Long, Kind::Double, Kind::Keyword]);
    assert_eq!(table.names(), ["n", "x", "k"]);
    assert_eq!(
        Value::set(rows(&table)),
        edn::read("#{[1 2.5 :a/b] [2 0.5 :c]}").unwrap()
    );
    let table = asked(
        &["?n", "?x", "?k"],
        "[[#inst \"2026-01-31\" true nil] [nil false \"text\"]]",
    );
    let kinds: Vec<Kind> = table.columns().iter().map(Column::kind).collect();
    assert_eq!(kinds, [Kind::Instant, Kind::Bool, Kind::Str]);
    let expected = "#{[#inst \"2026-01-31\" true nil] [nil false \"text\"]}";
    assert_eq!(Value::set(rows(&table)), edn::read(expected).unwrap());
    let table = asked(
        &["?n", "(count ?x)"],
        "[[1 2.5 :a] [\"x\" {:b [1]} 1/3] [nil 1 1]]",
    );
    assert_eq!(table.names(), ["n", "count_x"]);
    assert_eq!(table.columns()[0].kind(), Kind::Any);
    assert_eq!(
        Value::set(rows(&table)),
        edn::read("#{[1 1] [\"x\" 1] [nil 1]}").unwrap()
    );
    let table = asked(&["?n", "?x"], "[]");
    assert_eq!((table.len(), table.names().len()), (0, 2));
}

fn rows(table: &Table) -> Vec<Value> {
    let rows = table.to_value();
    rows.as_sequential().unwrap().to_vec()
}
