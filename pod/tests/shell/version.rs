//! Branches, merges, the log and differences.

use super::Place;

const NAMES: &str = "[:find [?n ...] :where [_ :name ?n] :order-by ?n]";

/// Ann at t 1; then a branch `draft`.
fn branched() -> Place {
    let place = Place::empty();
    let schemaless = ["transact", "--db", "db", "--create", "--schema-on-read"];
    place.run(&[&schemaless[..], &["[{:db/id 1 :name \"Ann\" :age 30}]"]].concat());
    place.run(&["branch", "create", "draft", "--db", "db"]);
    place
}

fn transact(place: &Place, branch: &str, data: &str) {
    place.run(&["transact", "--db", "db", "--branch", branch, data]);
}

#[test]
fn branches_go_their_own_ways_and_come_together() {
    let place = branched();
    transact(&place, "draft", "[{:db/id 2 :name \"Bob\"}]");
    transact(&place, "db", "[[:db/add 1 :age 31]]");
    let names = |branch| place.run(&["q", "--db", "db", "--branch", branch, NAMES]);
    assert_eq!(names(":draft"), "[\"Ann\"\n \"Bob\"]\n");
    assert_eq!(names("db"), "[\"Ann\"]\n");
    let both = "[:find ?n :in $ $draft :where [$draft ?e :name ?n] (not [$ ?e :name ?n])]";
    let sources = [
        "--db", "db", "--db", "db", "--branch", "db", "--branch", "draft",
    ];
    assert_eq!(
        place.run(&[&["q"], &sources[..], &[both]].concat()),
        "#{[\"Bob\"]}\n"
    );

    assert_eq!(
        place.run(&["diff", "--db", "db", "db", "draft", "--format", "csv"]),
        "side,e,a,v,tx\n-,1,:age,31,536870914\n+,1,:age,30,536870913\n+,2,:name,Bob,536870914\n"
    );
    assert_eq!(
        place.run(&["branch", "merge", "draft", "--db", "db", "--dry-run"]),
        "{:tx-data [[:db/add 2 :name \"Bob\"]], :conflicts [], :renamed {}}\n"
    );
    let merged = place.run(&["branch", "merge", "draft", "--db", "db"]);
    assert!(
        merged.starts_with("{:tx 536870915, :commit #uuid"),
        "{merged}"
    );
    assert_eq!(names("db"), "[\"Ann\"\n \"Bob\"]\n");
    let again = place.run(&["branch", "merge", "draft", "--db", "db"]);
    assert!(again.starts_with("{:tx nil"), "{again}");

    place.run(&["branch", "create", "old", "--from", "1", "--db", "db"]);
    assert_eq!(names("old"), "[\"Ann\"]\n");
    let list = place.run(&["branch", "list", "--db", "db", "--format", "csv"]);
    let column = |line: &str| line.split(',').take(2).collect::<Vec<_>>().join(" ");
    let listed: Vec<String> = list.lines().map(column).collect();
    assert_eq!(listed, ["branch t", ":db 3", ":draft 2", ":old 1"]);
    place.run(&["branch", "delete", "old", "--db", "db"]);
    let misnamed = place.fail(&["branch", "create", "a b", "--db", "db"]);
    assert!(
        misnamed.starts_with("2 error: a b: a branch is named"),
        "{misnamed}"
    );
    let gone = place.fail(&["diff", "--db", "db", "db", "old"]);
    assert_eq!(
        gone,
        "1 error: There is no branch :old [:branch-does-not-exist]\n"
    );
}

#[test]
fn a_merge_that_would_lose_changes_says_which() {
    let place = branched();
    transact(&place, "draft", "[[:db/add 1 :age 32]]");
    transact(&place, "db", "[[:db/add 1 :age 31]]");
    assert_eq!(
        place.fail(&["branch", "merge", "draft", "--db", "db"]),
        "1 error: The two sides disagree: :age of 1 was 30, is 31 here and 32 there \
         [:merge/conflict]\n  {:conflict :edit-edit, :entity 1, :attribute :age, :base 30, \
         :ours 31, :theirs 32}\nhint: --strategy ours or theirs says which side to take\n"
    );
    let strategy = ["--strategy", "theirs", "--format", "json"];
    let merged = place.run(&[&["branch", "merge", "draft", "--db", "db"], &strategy[..]].concat());
    assert!(merged.contains("\"resolution\":\"theirs\""), "{merged}");
    let age = "[:find ?a . :where [1 :age ?a]]";
    assert_eq!(place.run(&["q", "--db", "db", age]), "32\n");
}

#[test]
fn the_log_counts_what_each_transaction_did() {
    let place = branched();
    transact(
        &place,
        "db",
        "[[:db/add 1 :age 31]] [[:db/retractEntity 1]]",
    );
    let log = |options: &[&str]| {
        let all = place.run(&[&["log", "--db", "db", "--format", "csv"], options].concat());
        let counts = |line: &str| {
            let columns: Vec<&str> = line.split(',').collect();
            format!("{} +{} -{}", columns[0], columns[4], columns[5])
        };
        all.lines()
            .skip(1)
            .map(counts)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(log(&[]), "3 +0 -2 2 +1 -1 1 +2 -0");
    assert_eq!(log(&["--limit", "1"]), "3 +0 -2");
    assert_eq!(
        log(&["--from", "1", "--to", "3", "--limit", "1"]),
        "2 +1 -1"
    );
    assert_eq!(log(&["--branch", "draft"]), "1 +2 -0");
    let datoms = place.run(&["log", "--db", "db", "--from", "2", "--to", "3", "--datoms"]);
    assert!(
        datoms.contains("[1 :age 30 536870914 false] [1 :age 31 536870914 true]"),
        "{datoms}"
    );
    assert!(
        datoms.starts_with("[{:t 2, :tx 536870914, :instant"),
        "{datoms}"
    );
    assert_eq!(
        place.run(&["verify-chain", "--db", "db"]),
        "{:status :ok, :commits 3, :redacted 0, :errors []}\n"
    );
}
