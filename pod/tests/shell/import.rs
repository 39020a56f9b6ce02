//! Files to databases.

use super::Place;

fn count(place: &Place, attribute: &str) -> String {
    let query = format!("[:find (count ?e) . :where [?e {attribute}]]");
    place.run(&["q", "--db", "db", &query]).trim().to_owned()
}

#[test]
fn csv_with_types_references_and_many_values() {
    let place = Place::empty();
    place.write("countries.csv", "code,name\nIS,Iceland\nNO,Norway\n");
    place.write(
        "airports.csv",
        "code,country,feet,lat,opened,tags\nKEF,IS,171,63.98,1987-04-14,\"hub;ice\"\n\
         OSL,NO,681,60.1,1998-10-08,\nLYR,NO,88,78.2,1975-09-02,ice\n",
    );
    let import = |arguments: &[&str]| place.run(&[&["import", "--db", "db"], arguments].concat());
    import(&[
        "--create",
        "--namespace",
        "country",
        "--unique",
        "code",
        "countries.csv",
    ]);
    let airports = [
        "--namespace",
        "airport",
        "--unique",
        "code",
        "--ref",
        "country=:country/code",
        "--many",
        "tags=;",
        "--rename",
        "feet=:airport/elevation-ft",
        "airports.csv",
    ];
    let done = import(&airports);
    assert!(
        done.contains(":rows 3") && done.contains(":rows-left-out 0"),
        "{done}"
    );
    let query = "[:find ?code ?feet ?lat ?name (count ?tag)
                  :where [?a :airport/code ?code] [?a :airport/elevation-ft ?feet] [?a :airport/lat ?lat]
                         [?a :airport/country ?c] [?c :country/name ?name] [?a :airport/tags ?tag]
                         [?a :airport/opened ?when] [(< #inst \"1970\" ?when)]
                  :order-by ?code]";
    assert_eq!(
        place.run(&["q", "--db", "db", query]),
        "[[\"KEF\" 171 63.98 \"Iceland\" 2]\n [\"LYR\" 88 78.2 \"Norway\" 1]]\n"
    );
    // The same rows again add to the same entities.
    import(&airports);
    assert_eq!(count(&place, ":airport/code"), "3");
    assert!(
        place
            .fail(&["import", "--db", "db", "--skip", "nmae", "countries.csv"])
            .starts_with("2 ")
    );
}

#[test]
fn rows_at_fault_are_named_by_line() {
    let place = Place::empty();
    place.write("first.csv", "id,n\n1,10\n2,20\n");
    place.run(&[
        "import",
        "--db",
        "db",
        "--create",
        "--namespace",
        "x",
        "--unique",
        "id",
        "first.csv",
    ]);
    place.write("more.csv", "id,n\n3,30\n4,forty\n5\n6,60\n");
    let more = ["import", "--db", "db", "--namespace", "x", "more.csv"];
    let failed = place.fail(&more);
    assert!(
        failed.contains("more.csv, line 3: n: \"forty\" is no long"),
        "{failed}"
    );
    assert_eq!(count(&place, ":x/id"), "3");
    let output = place
        .command(&[&more[..], &["--keep-going"]].concat())
        .output()
        .expect("the binary");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && told.contains("line 4: 1 columns"),
        "{told}"
    );
    assert_eq!(count(&place, ":x/id"), "4");
    // A row that the schema refuses is found among those of its transaction.
    place.write("refs.csv", "id,next\n7,1\n8,2\n9,99\n10,1\n");
    let refs = [
        "import",
        "--db",
        "db",
        "--namespace",
        "x",
        "--ref",
        "next=:x/id",
        "refs.csv",
    ];
    let refused = place.fail(&refs);
    assert!(
        refused.contains("refs.csv, line 4: ") && refused.contains("2 rows before"),
        "{refused}"
    );
    assert_eq!(count(&place, ":x/next"), "2");
}

#[test]
fn json_lines_and_edn() {
    let place = Place::empty();
    let lines = "{\"name\": \"Ann\", \"age\": 44, \"likes\": [\"tea\", \"go\"]}\n\
                 {\"name\": \"Bob\", \"height\": 1.5, \"age\": null}\n";
    let import = [
        "import",
        "--db",
        "db",
        "--create",
        "--kind",
        "jsonl",
        "--namespace",
        "person",
        "-",
    ];
    let output = place.feed(&import, lines);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let query = "[:find ?name ?likes :where [?e :person/name ?name] [?e :person/likes ?likes] :order-by ?likes]";
    assert_eq!(
        place.run(&["q", "--db", "db", query]),
        "[[\"Ann\" \"go\"]\n [\"Ann\" \"tea\"]]\n"
    );
    place.write(
        "more.edn",
        "; two\n[{:person/name \"Cy\"}\n [:db/add \"x\" :person/age 3]]\n",
    );
    place.run(&["import", "--db", "db", "more.edn"]);
    assert_eq!(count(&place, ":person/age"), "2");
    place.write("torn.edn", "[{:person/name \"Cy\"}\n {:person/age");
    assert!(
        place
            .fail(&["import", "--db", "db", "torn.edn"])
            .contains("torn.edn, line ")
    );
    place.run(&[
        "import",
        "--db",
        "free",
        "--create",
        "--schema-on-read",
        "more.edn",
    ]);
}
