//! The examples in `scripts/examples`, as their headers say to run them, on small data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::run::{datalith, stderr, stdout};

/// Runs an example with these options of `datalith run` and these arguments of its own.
fn example(folder: &Path, name: &str, options: &[&str], arguments: &[&str]) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/examples");
    datalith()
        .current_dir(folder)
        .arg("run")
        .args(options)
        .arg(script.join(format!("{name}.rhai")))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

/// What an example prints, where it ends with this exit code.
fn printed(output: &Output, code: i32) -> String {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}{}",
        stdout(output),
        stderr(output)
    );
    stdout(output)
}

/// Makes a database by transactions, each an EDN text.
fn database(folder: &Path, transactions: &[&str]) {
    for data in transactions {
        let script = format!("open(\"small.db\").transact(`{data}`);");
        let output = datalith()
            .current_dir(folder)
            .args(["run", "--allow-write", ".", "-e", &script])
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn wrong_arguments_are_told_how_to_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [(&str, &[&str]); 6] = [
        ("backup", &[]),
        ("dependants", &["Packages", "none"]),
        ("duplicates", &["names.csv"]),
        ("quality", &[]),
        ("report", &["rows.csv"]),
        ("transfer", &["a.db", "b.db"]),
    ];
    for (name, arguments) in wrong {
        let said = printed(&example(folder.path(), name, &[], arguments), 2);
        assert!(said.starts_with("usage: "), "{name}: {said}");
        assert!(said.contains(&format!("{name}.rhai")), "{name}: {said}");
    }
}

#[test]
fn report() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("out")).unwrap();
    let run = |rows: &str| {
        fs::write(at("weather.csv"), rows).unwrap();
        let options = ["--allow-read", "weather.csv", "--allow-write", "out"];
        let arguments = ["weather.csv", "out", "id", "station", "celsius"];
        let said = printed(&example(folder.path(), "report", &options, &arguments), 0);
        (said, fs::read_to_string(at("out/report.md")).unwrap())
    };
    let rows = "id,station,celsius\n1,Oslo,-3.5\n2,Oslo,1.5\n3,Rome,14.0\n4,Rome,\n";
    let (said, report) = run(rows);
    assert!(
        said.ends_with("out: report.md, chart.svg, groups.parquet\n"),
        "{said}"
    );
    assert!(
        report.contains("4 rows, of which 1 have no celsius."),
        "{report}"
    );
    assert!(report.contains("the last report: 4."), "{report}");
    assert!(
        report.contains("| Oslo | 2 | -1.0 | -3.5 | 1.5 |"),
        "{report}"
    );
    assert!(report.contains("| 3 | Rome | 14.0 |"), "{report}");
    assert!(
        fs::read_to_string(at("out/chart.svg"))
            .unwrap()
            .contains("Mean celsius by station")
    );
    assert!(
        fs::read(at("out/groups.parquet"))
            .unwrap()
            .starts_with(b"PAR1")
    );
    // The next file has one cell corrected and one row more.
    let (_, report) = run(&format!("{}5,Rome,15.0\n", rows.replace("1.5", "2.5")));
    assert!(report.contains("the last report: 2."), "{report}");
    assert!(
        report.contains("| Oslo | 2 | -0.5 | -3.5 | 2.5 |"),
        "{report}"
    );
}

#[test]
fn quality() {
    let folder = tempfile::tempdir().unwrap();
    let attribute = |name: &str, kind: &str| {
        format!(
            "{{:db/ident :{name} :db/valueType :db.type/{kind} :db/cardinality :db.cardinality/one}}"
        )
    };
    let mut schema: Vec<String> = [
        "country/code",
        "country/name",
        "airport/icao",
        "airport/name",
        "airport/city",
        "airport/code",
    ]
    .iter()
    .map(|name| attribute(name, "string"))
    .collect();
    for (name, kind) in [
        ("airport/country", "ref"),
        ("airport/lat", "double"),
        ("airport/lon", "double"),
        ("route/from", "ref"),
        ("route/to", "ref"),
        ("route/miles", "long"),
    ] {
        schema.push(attribute(name, kind));
    }
    let airports = "\
        {:db/id \"no\" :country/code \"NO\" :country/name \"Norway\"} \
        {:db/id \"osl\" :airport/code \"OSL\" :airport/icao \"ENGM\" :airport/name \"Gardermoen\" :airport/city \"Oslo\" \
         :airport/country \"no\" :airport/lat 60.2 :airport/lon 11.1} \
        {:db/id \"bgo\" :airport/code \"BGO\" :airport/icao \"ENBR\" :airport/name \"Flesland\" :airport/city \"Bergen\" \
         :airport/country \"no\" :airport/lat 60.3 :airport/lon 5.2} \
        {:route/from \"osl\" :route/to \"bgo\" :route/miles 202}";
    database(
        folder.path(),
        &[&format!("[{}]", schema.join(" ")), &format!("[{airports}]")],
    );
    let run = |code| {
        printed(
            &example(folder.path(), "quality", &["--db", "small.db"], &[]),
            code,
        )
    };
    assert_eq!(run(0), "15 checks, 0 of them found something\n");
    database(
        folder.path(),
        &[
            "[{:db/id \"a\" :airport/code \"XXX\" :airport/icao \"ENGM\" :airport/lat 95.0 :airport/lon 5.2} \
           {:route/from \"a\" :route/to \"a\"}]",
        ],
    );
    let said = run(1);
    assert!(
        said.starts_with("15 checks, 7 of them found something\n"),
        "{said}"
    );
    for (check, example) in [
        ("airport without its name", "XXX"),
        ("route from an airport to itself", "XXX-XXX"),
        ("two airports with one ICAO code", "ENGM"),
        ("place that is not on earth", "XXX"),
    ] {
        let line = said.lines().find(|line| line.contains(check));
        assert!(line.is_some_and(|line| line.contains(example)), "{said}");
    }
}

#[test]
fn dependants() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("Packages"),
        "Package: app\nVersion: 1\nDepends: lib (>= 2.3), tool:any | other\nDescription: \"A\", said, thing\n\n\
         Package: tool\nDepends: lib\n\nPackage: lib\nPre-Depends: base (= 1)\n\nPackage: base\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("needs.csv"),
        "name,needs\napp,lib\napp,tool\ntool,lib\nlib,base\n",
    )
    .unwrap();
    for file in ["Packages", "needs.csv"] {
        let run = |most: &str| {
            let options = ["--allow-read", file];
            printed(
                &example(folder.path(), "dependants", &options, &[file, most]),
                0,
            )
        };
        let said = run("10");
        assert!(
            said.starts_with(
                "4 needs; the 3 packages that most others name have 2 among themselves\n"
            ),
            "{said}"
        );
        let row = |name: &str| {
            let line = said.lines().find(|line| line.starts_with(name));
            line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(row(" base").as_deref(), Some("base 2 1"), "{said}");
        assert_eq!(row(" lib").as_deref(), Some("lib 1 1"), "{said}");
        assert!(run("1").contains("have 0 among themselves"));
    }
}

#[test]
fn duplicates() {
    let folder = tempfile::tempdir().unwrap();
    let said = printed(&example(folder.path(), "duplicates", &[], &[]), 0);
    assert!(said.starts_with("11 texts, 5 pairs within 0.4\n"), "{said}");
    assert!(
        said.contains("Northwind Traders Ltd     Nothwind Traders Ltd."),
        "{said}"
    );
    let names =
        "id,name\n1,Ada Lovelace\n2,Charles Babbage\n3,Ada Lovelacee\n4,\n5,Charles Babbage\n";
    fs::write(folder.path().join("names.csv"), names).unwrap();
    let options = ["--allow-read", "names.csv"];
    let arguments = ["names.csv", "name", "0.3"];
    let said = printed(
        &example(folder.path(), "duplicates", &options, &arguments),
        0,
    );
    assert!(said.starts_with("3 texts, 1 pairs within 0.3\n"), "{said}");
}

#[test]
fn backup() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("backups")).unwrap();
    let schema = "[{:db/ident :note/text :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";
    database(folder.path(), &[schema, "[{:note/text \"milk\"}]"]);
    let options = ["--db", "small.db", "--allow-write", "backups"];
    let run = || {
        printed(
            &example(folder.path(), "backup", &options, &["backups/small.db"]),
            0,
        )
    };
    assert!(run().ends_with("the copy is good\n"));
    // The next night takes what is new.
    database(
        folder.path(),
        &["[{:note/text \"bread\"} {:note/text \"tea\"}]"],
    );
    let said = run();
    assert!(said.ends_with("the copy is good\n"), "{said}");
    let newest = said.lines().find(|line| line.starts_with(" 3 "));
    assert!(
        newest.is_some_and(|line| line.ends_with("2           0")),
        "{said}"
    );
    let query = "open(\"backups/small.db\").db().q(`[:find [?t ...] :where [_ :note/text ?t]]`).sort().to_array()";
    let output = datalith()
        .current_dir(folder.path())
        .args(["run", "--allow-write", ".", "-e", query])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "[\"bread\", \"milk\", \"tea\"]\n");
}

#[test]
fn transfer() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--allow-write", "."];
    for _ in 0..2 {
        let said = printed(
            &example(folder.path(), "transfer", &options, &["bank.db"]),
            0,
        );
        let rows = |heading: &str| -> Vec<String> {
            said.lines()
                .skip_while(|line| *line != heading)
                .skip(3)
                .take(3)
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        assert_eq!(
            rows("before:"),
            ["Ada 120 3.6 true", "Bob 60 1.8 false", "Cleo 40 1.2 false"]
        );
        assert_eq!(
            rows("after Ada gave Bob 50:"),
            ["Ada 70 2.1 false", "Bob 110 3.3 true", "Cleo 40 1.2 false"]
        );
        assert!(
            said.ends_with(
                "the balance in the middle: 60, then 70\n\
                 refused: Bob has less than 500, says bank/transfer in line 8\n\
                 refused: Dan has no account, says bank/transfer in line 3\n\
                 the database stays as it was: true\n"
            ),
            "{said}"
        );
    }
    // Who opens the database has its functions.
    let rich =
        "[:find [?o ...] :where [?a :account/owner ?o] [?a :account/balance ?b] [(bank/rich? ?b)]]";
    let output = datalith()
        .current_dir(folder.path())
        .args(["q", "--db", "bank.db", "--format", "edn", rich])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "[\"Bob\"]\n", "{}", stderr(&output));
}
