//! Files in and out: what is written by one command is read by the other, and damage is an error.

use std::fs::File;
use std::process::{Command, Output};
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, FixedSizeListArray, Float32Array,
    Int32Array, LargeStringArray, ListArray, RecordBatch, StringViewArray, StructArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field};
use datalith_scripts::columnar::{Compression, Layout, Writer};

use super::Place;

/// A generator of numbers that are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn import(place: &Place, arguments: &[&str]) -> String {
    place.run(&[&["import", "--db", "db", "--create"], arguments].concat())
}

fn ask(place: &Place, db: &str, query: &str) -> String {
    place.run(&["q", "--db", db, query]).trim().to_owned()
}

fn write(place: &Place, name: &str, layout: Layout, batch: &RecordBatch) {
    let file = File::create(place.path(name)).expect("a file");
    let writer = Writer::begin(file, layout, Compression::Snappy, batch.schema_ref());
    let mut writer = writer.expect("a writer");
    writer.write(batch).expect("written");
    writer.finish().expect("an end");
}

const PEOPLE: &str = r#"[
  {:db/id 100 :p/str "Añ\n,\"q\"" :p/long -7 :p/double 0.1 :p/bool true :p/key :a.b/c :p/sym x/y
   :p/uuid #uuid "550e8400-e29b-41d4-a716-446655440000" :p/inst #inst "1969-12-31T23:59:59.999Z"
   :p/big 123456789012345678901234567890N :p/dec 1.50M :p/bytes #bytes "AAEC/w=="
   :p/floats #datalith/floats [0.5 -1.0] :p/doubles #datalith/doubles [0.1 2.0 3.0]
   :p/float 2.5 :p/number 3N :p/tags [:x :y] :p/notes ["a;b" "c"] :p/ref 101}
  {:db/id 101 :p/str "" :p/long 9223372036854775807 :p/tags :z :p/big 5N}
  {:db/id 102 :p/double -0.0 :p/bool false :p/refs [100 101]}]"#;

fn schema() -> String {
    let one = [
        ("str", "string"),
        ("long", "long"),
        ("double", "double"),
        ("bool", "boolean"),
        ("key", "keyword"),
        ("sym", "symbol"),
        ("uuid", "uuid"),
        ("inst", "instant"),
        ("big", "bigint"),
        ("dec", "bigdec"),
        ("bytes", "bytes"),
        ("floats", "float-array"),
        ("doubles", "double-array"),
        ("float", "float"),
        ("number", "number"),
        ("ref", "ref"),
    ];
    let many = [("tags", "keyword"), ("notes", "string"), ("refs", "ref")];
    let attribute = |(name, kind): &(&str, &str), cardinality: &str| {
        format!(
            "{{:db/ident :p/{name} :db/valueType :db.type/{kind} \
             :db/cardinality :db.cardinality/{cardinality}}}"
        )
    };
    let one = one.iter().map(|given| attribute(given, "one"));
    let many = many.iter().map(|given| attribute(given, "many"));
    format!("[{}]", one.chain(many).collect::<Vec<_>>().join(" "))
}

#[test]
fn every_type_comes_back() {
    let place = Place::empty();
    place.run(&["transact", "--db", "db", "--create", &schema()]);
    place.run(&["transact", "--db", "db", PEOPLE]);
    let said = |db: &str| {
        let pulled = ["pull", "--db", db, "[*]", "100", "101", "102"];
        place.run(&pulled)
    };
    for ending in ["parquet", "arrow", "arrows"] {
        let file = format!("{ending}.{ending}");
        let done = place.run(&["export", "db", &file, "--table", "p"]);
        assert!(done.starts_with("{:rows 3, :files 1, :bytes "), "{done}");
        let load = ["import", "--db", ending, "--create", "--namespace", "p"];
        place.run(&[&load[..], &["--rename", "db_id=:db/id", &file]].concat());
        assert_eq!(said("db"), said(ending), "{ending}");
        let types = |db| {
            let query = "[:find ?n ?t ?c :where [?a :db/ident ?n] [?a :db/valueType ?t] \
                         [?a :db/cardinality ?c] :order-by ?n]";
            ask(&place, db, query)
        };
        assert_eq!(types("db"), types(ending), "{ending}");
    }
    // Text says less: with the schema there already it says enough.
    for ending in ["csv", "tsv", "jsonl"] {
        let file = format!("{ending}.{ending}");
        place.run(&["export", "db", &file, "--table", ":p"]);
        place.run(&["transact", "--db", ending, "--create", &schema()]);
        let load = [
            "import",
            "--db",
            ending,
            "--namespace",
            "p",
            "--skip",
            "notes",
        ];
        let many = [
            "--many",
            "tags=;",
            "--many",
            "refs=;",
            "--rename",
            "db_id=:db/id",
        ];
        place.run(&[&load[..], &many[..], &[&file]].concat());
        let keys = |db| {
            ask(
                &place,
                db,
                "[:find ?e ?k ?d ?b ?f ?u :where [?e :p/key ?k] [?e :p/dec ?d] \
                             [?e :p/bytes ?b] [?e :p/floats ?f] [?e :p/uuid ?u]]",
            )
        };
        assert_eq!(keys("db"), keys(ending), "{ending}");
        let refs = |db| {
            ask(
                &place,
                db,
                "[:find ?e ?r :where [?e :p/refs ?r] :order-by ?r]",
            )
        };
        assert_eq!(refs("db"), refs(ending), "{ending}");
    }
}

fn foreign() -> RecordBatch {
    let arrays: [(&str, ArrayRef); 9] = [
        ("id", Arc::new(Int32Array::from(vec![1, 2]))),
        (
            "view",
            Arc::new(StringViewArray::from(vec![Some("v"), None])),
        ),
        ("large", Arc::new(LargeStringArray::from(vec!["l", "m"]))),
        (
            "dict",
            Arc::new(DictionaryArray::<Int8Type>::from_iter(["x", "x"])),
        ),
        ("day", Arc::new(Date32Array::from(vec![0, 1]))),
        ("sec", Arc::new(TimestampSecondArray::from(vec![1, 2]))),
        (
            "nano",
            Arc::new(TimestampNanosecondArray::from(vec![-1, 2_000_000])),
        ),
        (
            "dec",
            Arc::new(
                Decimal128Array::from(vec![150, -5])
                    .with_precision_and_scale(9, 2)
                    .expect("a scale"),
            ),
        ),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 1]))),
    ];
    RecordBatch::try_from_iter(arrays).expect("a batch")
}

#[test]
fn columns_of_other_programs_become_values() {
    let place = Place::empty();
    for (ending, layout) in [
        ("parquet", Layout::Parquet),
        ("arrow", Layout::Arrow),
        ("arrows", Layout::ArrowStream),
    ] {
        let file = format!("x.{ending}");
        write(&place, &file, layout, &foreign());
        let done = place.run(&[
            "import", "--db", ending, "--create", "--unique", "id", &file,
        ]);
        assert!(done.starts_with("{:rows 2, :datoms "), "{done}");
        let query = "[:find ?l ?x ?day ?sec ?nano ?dec ?big :where [?e :x/large ?l] [?e :x/dict ?x] \
                     [?e :x/day ?day] [?e :x/sec ?sec] [?e :x/nano ?nano] [?e :x/dec ?dec] \
                     [?e :x/big ?big] :order-by ?l]";
        let answer = ask(&place, ending, query);
        assert_eq!(
            answer.replace(".000-00:00", "Z"),
            "[[\"l\" \"x\" #inst \"1970-01-01T00:00:00Z\" #inst \"1970-01-01T00:00:01Z\" \
             #inst \"1969-12-31T23:59:59.999-00:00\" 1.50M 18446744073709551615N]\n \
             [\"m\" \"x\" #inst \"1970-01-02T00:00:00Z\" #inst \"1970-01-01T00:00:02Z\" \
             #inst \"1970-01-01T00:00:00.002-00:00\" -0.05M 1]]"
        );
        // The same rows again are of the same entities.
        let again = place.run(&["import", "--db", ending, "--unique", "id", &file]);
        assert!(again.contains(":rows 2,"), "{again}");
        assert_eq!(
            ask(&place, ending, "[:find (count ?e) . :where [?e :x/id]]"),
            "2"
        );
    }
}

#[test]
fn lists_and_what_has_no_type() {
    let place = Place::empty();
    let numbers = [Some(vec![Some(1), Some(2)]), None];
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let floats = Arc::new(Float32Array::from(vec![0.5, 1.0, 2.0, 3.0]));
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let field = Arc::new(Field::new("inner", DataType::Int32, true));
    let arrays: [(&str, ArrayRef); 3] = [
        (
            "many",
            Arc::new(ListArray::from_iter_primitive::<
                arrow_array::types::Int32Type,
                _,
                _,
            >(numbers)),
        ),
        (
            "vec",
            Arc::new(FixedSizeListArray::new(item, 2, floats, None)),
        ),
        ("nested", Arc::new(StructArray::from(vec![(field, inner)]))),
    ];
    let batch = RecordBatch::try_from_iter(arrays).expect("a batch");
    write(&place, "t.parquet", Layout::Parquet, &batch);
    let refused = place.fail(&["import", "--db", "db", "--create", "t.parquet"]);
    assert!(
        refused.contains("t.parquet: the column nested is of the type Struct(")
            && refused.contains("--skip nested leaves it out"),
        "{refused}"
    );
    import(&place, &["--skip", "nested", "t.parquet"]);
    assert_eq!(
        ask(&place, "db", "[:find [?n ...] :where [_ :t/many ?n]]"),
        "[1\n 2]"
    );
    let vectors = ask(&place, "db", "[:find [?v ...] :where [_ :t/vec ?v]]");
    assert!(vectors.contains("#datalith/floats [0.5 1.0]"), "{vectors}");
}

/// A CSV of so many rows, one in a hundred spoilt in some way; the ids of the clean ones, and the dirty
/// lines.
fn dirty(rows: u64) -> (String, Vec<u64>, Vec<String>) {
    let (mut dice, mut text) = (Dice(0x2545_F491_4F6C_DD1D), "id,name,age,day\n".to_owned());
    let (mut clean, mut spoilt) = (Vec::new(), Vec::new());
    for id in 0..rows {
        let age = dice.roll(90);
        let line = match (dice.roll(100), dice.roll(6)) {
            (0, 0) => format!("{id},\"short\""),
            (0, 1) => format!("{id},long,{age},2024-01-02,more"),
            (0, 2) => format!("{id},age,{age}x,2024-01-02"),
            (0, 3) => format!("{id},day,{age},2024-13-41"),
            (0, 4) => format!("{id},\"open,{age},2024-01-02"),
            (0, _) => format!("x{id},id,{age},2024-01-02"),
            _ => {
                clean.push(id);
                text.push_str(&format!("{id},\"n, {id}\",{age},2024-01-02\n"));
                continue;
            }
        };
        text.push_str(&format!("{line}\n"));
        spoilt.push(line);
    }
    (text, clean, spoilt)
}

#[test]
fn dirty_rows_cost_no_clean_one() {
    let place = Place::empty();
    let (text, clean, spoilt) = dirty(20_000);
    assert!(spoilt.len() > 150);
    place.write("t.csv", &text);
    let load = [
        "import",
        "--db",
        "db",
        "--create",
        "--unique",
        "id",
        "--rejects",
        "bad.csv",
        "t.csv",
    ];
    let output = place.command(&load).output().expect("the binary");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let done = String::from_utf8_lossy(&output.stdout);
    let counts = (clean.len(), spoilt.len());
    assert!(
        done.starts_with(&format!("{{:rows {},", counts.0)),
        "{done}"
    );
    assert!(
        done.contains(&format!(":rows-left-out {}}}", counts.1)),
        "{done}"
    );
    let ids = ask(
        &place,
        "db",
        "[:find [?i ...] :where [?e :t/id ?i] [?e :t/age] [?e :t/day] :order-by ?i]",
    );
    let ids: Vec<u64> = ids
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|id| id.parse().ok())
        .collect();
    assert!(ids == clean);
    let aside = std::fs::read_to_string(place.path("bad.csv")).expect("rejects");
    let mut aside: Vec<&str> = aside.lines().collect();
    assert_eq!(aside.remove(0), "id,name,age,day");
    aside.sort_unstable();
    let mut spoilt: Vec<&str> = spoilt.iter().map(String::as_str).collect();
    spoilt.sort_unstable();
    assert_eq!(aside, spoilt);
    let reasons = std::fs::read_to_string(place.path("bad.csv.reasons")).expect("reasons");
    assert_eq!(reasons.lines().count(), counts.1);
    assert!(
        reasons.contains("a quote is opened and not closed"),
        "{reasons}"
    );
    // At most so many are told, and the file is never written over.
    assert_eq!(told.lines().count(), 101);
    assert!(place.fail(&load).contains("bad.csv is there already"));
}

#[test]
fn rows_that_a_transaction_refuses_are_set_aside() {
    let place = Place::empty();
    place.write("a.csv", "id\n1\n2\n");
    import(&place, &["--namespace", "x", "--unique", "id", "a.csv"]);
    let lines: String = (3..2_000)
        .map(|id| match id % 100 {
            7 => format!("{{\"id\": {id}, \"next\": {}}}\n", id + 100_000),
            _ => format!("{{\"id\": {id}, \"next\": 1}}\n"),
        })
        .collect();
    place.write("b.jsonl", &lines);
    let refs = [
        "--namespace",
        "x",
        "--ref",
        "next=:x/id",
        "--rejects",
        "bad.jsonl",
        "b.jsonl",
    ];
    let done = import(&place, &refs);
    assert!(
        done.contains(":rows 1977,") && done.contains(":rows-left-out 20}"),
        "{done}"
    );
    let aside = std::fs::read_to_string(place.path("bad.jsonl")).expect("rejects");
    assert_eq!(aside.lines().next(), Some("{\"id\": 7, \"next\": 100007}"));
    assert_eq!(aside.lines().count(), 20);
    // Of columns the row is kept as JSON, with its place and the reason.
    place.run(&["export", "db", "x.parquet", "--query", "[:find ?id ?next :where [?e :x/id ?id] [?e :x/next ?n] [?n :x/id ?next] :order-by ?id :limit 3]"]);
    let other = [
        "import",
        "--db",
        "other",
        "--create",
        "--namespace",
        "y",
        "--unique",
        "id",
        "a.csv",
    ];
    place.run(&other);
    let refs = [
        "--namespace",
        "y",
        "--ref",
        "next=:y/id",
        "--rejects",
        "bad.txt",
        "--rename",
        "id=:y/name",
    ];
    place.run(&[
        "transact",
        "--db",
        "other",
        "[[:db/retract [:y/id 1] :y/id 1]]",
    ]);
    place.run(&[&["import", "--db", "other"], &refs[..], &["x.parquet"]].concat());
    let aside = std::fs::read_to_string(place.path("bad.txt")).expect("rejects");
    assert!(
        aside.starts_with("{\"file\":\"x.parquet\",\"row\":1,\"reason\":\"")
            && aside.contains("\"values\":{\"id\":3,\"next\":1}}"),
        "{aside}"
    );
}

#[test]
fn folders_and_patterns() {
    let place = Place::empty();
    place.write(
        "trips.csv",
        "id,year,place,miles\n1,2023,a/b,10\n2,2024,,20\n3,2024,a/b,30\n",
    );
    import(&place, &["--namespace", "t", "--unique", "id", "trips.csv"]);
    let parted = [
        "--table",
        "t",
        "--kind",
        "parquet",
        "--partition-by",
        "year",
        "--partition-by",
        "place",
    ];
    let done = place.run(&[&["export", "db", "out"], &parted[..]].concat());
    assert!(done.starts_with("{:rows 3, :files 3, "), "{done}");
    assert!(
        place
            .path("out/year=2024/place=a%2Fb/part-0.parquet")
            .exists()
    );
    let query = "[:find ?id ?y ?m :where [?e :out/id ?id] [?e :out/year ?y] [?e :out/miles ?m] :order-by ?id]";
    for given in ["out", "out/*/*/*.parquet", "./out/year=*/**/*.parquet"] {
        let db = format!("db_{}", given.replace(['/', '*', '.'], "_"));
        place.run(&["import", "--db", &db, "--create", "--unique", "id", given]);
        assert_eq!(
            ask(&place, &db, query),
            "[[1 2023 10]\n [2 2024 20]\n [3 2024 30]]"
        );
        let places = ask(&place, &db, "[:find [?p ...] :where [_ :out/place ?p]]");
        assert_eq!(places, "[\"a/b\"]");
    }
    assert!(
        place
            .fail(&["import", "--db", "db", "none/*.csv"])
            .contains("no file matches none/*.csv")
    );
    let none = place.fail(&[
        "export",
        "db",
        "x.csv",
        "--table",
        "t",
        "--partition-by",
        "yaer",
    ]);
    assert!(
        none.contains("no such column; there are db_id, id, year, place, miles"),
        "{none}"
    );
}

#[test]
fn exports_of_the_past_and_of_queries() {
    let place = Place::empty();
    place.run(&[
        "transact",
        "--db",
        "db",
        "--create",
        "--schema-on-read",
        "[{:db/id 1 :p/n 1}]",
    ]);
    place.run(&[
        "transact",
        "--db",
        "db",
        "[{:db/id 1 :p/n 2} {:db/id 2 :p/n :key}]",
    ]);
    place.run(&["branch", "create", "draft", "--db", "db"]);
    place.run(&[
        "transact",
        "--db",
        "db",
        "--branch",
        "draft",
        "[{:db/id 3 :p/n 3}]",
    ]);
    let text = |file: &str, arguments: &[&str]| {
        place.run(&[&["export", "db", file], arguments].concat());
        std::fs::read_to_string(place.path(file)).expect("a file")
    };
    assert_eq!(text("now.csv", &["--table", "p"]), "db_id,n\n1,2\n2,:key\n");
    assert_eq!(
        text("then.csv", &["--table", "p", "--as-of", "1"]),
        "db_id,n\n1,1\n"
    );
    let draft = text("draft.jsonl", &["--table", "p", "--branch", "draft"]);
    assert_eq!(draft.lines().last(), Some("{\"db_id\":3,\"n\":3}"));
    let query = "[:find ?e (count ?n) :in $ ?e :where [?e :p/n ?n]]";
    assert_eq!(
        text("q.tsv", &["--query", query, "1"]),
        "e\tcount_n\n1\t1\n"
    );
    assert!(
        place
            .fail(&["export", "db", "q.parquet"])
            .contains("say which with --table")
    );
    assert!(
        place
            .fail(&["export", "db", "x.csv", "--table", "nobody"])
            .starts_with("2 ")
    );
    assert!(
        place
            .fail(&["export", "db", "now.csv", "--table", "p"])
            .contains("is there already")
    );
    assert!(
        place
            .fail(&["export", "db", "d.dump", "--as-of", "1"])
            .contains("a dump holds all")
    );
}

/// A command with no more address space than a small machine has.
fn bounded(place: &Place, file: &str, db: &str) -> Output {
    let binary = env!("CARGO_BIN_EXE_datalith");
    let line =
        format!("ulimit -v 8000000; exec timeout 60 {binary} import --db {db} --create {file}");
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(place.path(""));
    command
        .env_remove("BABASHKA_POD")
        .output()
        .expect("a shell")
}

#[test]
fn damaged_files_are_errors() {
    let place = Place::empty();
    let rows: String = (0..3_000)
        .map(|n| format!("{n},name {},{}.5\n", n % 50, n * 7))
        .collect();
    place.write("t.csv", &format!("id,name,x\n{rows}"));
    import(&place, &["t.csv"]);
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for ending in ["parquet", "arrow", "arrows"] {
        let whole = format!("whole.{ending}");
        place.run(&["export", "db", &whole, "--table", "t"]);
        let whole = std::fs::read(place.path(&whole)).expect("a file");
        let check = |case: &str, bytes: &[u8]| {
            let file = format!("damaged.{ending}");
            std::fs::write(place.path(&file), bytes).expect("a file");
            let output = bounded(&place, &file, &format!("{ending}-{case}"));
            let told = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            assert!(
                matches!(code, Some(0 | 1)),
                "{ending} {case}: {code:?} {told}"
            );
            assert!(!told.contains("panicked"), "{ending} {case}: {told}");
            code
        };
        for at in [0, 1, 3, 4, 8, 100, whole.len() / 2, whole.len() - 9] {
            let code = check(&format!("cut{at}"), &whole[..at]);
            // Nothing is lost with the list at the end of an Arrow file.
            let is_list = ending == "arrow" && at == whole.len() - 9;
            assert!(code == Some(1) || is_list, "{ending} cut at {at}");
        }
        let ends = whole.len() as u64;
        for n in 0..36 {
            // Half of them among the descriptions at the end or the beginning, where lengths are.
            let at = match (n % 2, ending) {
                (0, "parquet") => ends - 1 - dice.roll(900.min(ends)),
                (0, _) => dice.roll(900.min(ends)),
                _ => dice.roll(ends),
            };
            let mut bytes = whole.clone();
            bytes[at as usize] ^= 1 << dice.roll(8);
            check(&format!("flip{n}"), &bytes);
        }
    }
}
