//! Vectors that are kept aside, in files.

use super::Place;

fn ask(place: &Place, db: &str, query: &str) -> String {
    place.run(&["q", "--db", db, query]).trim().to_owned()
}

/// Vectors that are kept aside are written as what they are, and are the same when they are loaded.
#[test]
fn vectors_kept_aside_are_written_whole() {
    let place = Place::empty();
    let schema = "{:db/ident :v/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
{:db/ident :v/at :db/valueType :db.type/float-array :db/cardinality :db.cardinality/one :db.secondary/only true}
{:db/ident :idx/v :db.secondary/type :hnsw :db.secondary/attrs [:v/at] :db.secondary/config {:dim 2}}
";
    place.write("schema.edn", schema);
    place.write(
        "v.jsonl",
        "{\"n\":1,\"at\":[0.5,1]}\n{\"n\":2,\"at\":[4,-1]}\n",
    );
    let names = "[:find ?n ?v :where [?e :v/n ?n] [?e :v/at ?v]]";
    place.run(&["import", "--db", "a", "--create", "schema.edn"]);
    place.run(&["import", "--db", "a", "v.jsonl"]);
    for file in ["v.parquet", "v.csv"] {
        place.run(&["export", "--table", "v", "a", file]);
        let db = file.trim_start_matches("v.");
        place.run(&["import", "--db", db, "--create", "schema.edn"]);
        place.run(&["import", "--db", db, file]);
        assert_eq!(ask(&place, db, names), ask(&place, "a", names), "{file}");
        let near = "[:find ?n ?d :where [(knn $ :idx/v [4 0] 1) [[?e ?d]]] [?e :v/n ?n]]";
        assert_eq!(ask(&place, db, near), "#{[2 1.0]}", "{file}");
    }
    let written = std::fs::read_to_string(place.path("v.csv")).expect("a file");
    assert!(written.contains("[0.5 1]"), "{written}");
}
