use super::Place;

fn filled() -> Place {
    let place = Place::empty();
    place.run(&[
        "transact",
        "--db",
        "db",
        "--create",
        "--schema-on-read",
        "[{:db/id 1 :name \"Ada\"}] [{:db/id 1 :name \"Ada Lovelace\"} {:db/id 2 :name \"Bob\"}]",
    ]);
    place.run(&["branch", "create", "draft", "--db", "db"]);
    place.run(&[
        "transact",
        "--db",
        "db",
        "--branch",
        "draft",
        "[{:db/id 3 :name \"Cy\"}]",
    ]);
    place
}

#[test]
fn a_database_is_taken_out_and_brought_back() {
    let place = filled();
    let exported = place.run(&["export", "db", "all.dump"]);
    assert!(
        exported.starts_with("{:branches 2, :transactions 3, :resumed 0, :bytes "),
        "{exported}"
    );
    place.run(&["export", "db", "again.dump"]);
    let bytes = |name: &str| std::fs::read(place.path(name)).expect("a dump");
    assert_eq!(bytes("all.dump"), bytes("again.dump"));
    let again = place.fail(&["export", "db", "all.dump"]);
    assert!(
        again.starts_with("1 ") && again.contains("all.dump is there already: choose another name"),
        "{again}"
    );
    assert_eq!(place.run(&["import-dump", "copy", "all.dump"]), exported);
    let log = |db| place.run(&["log", "--db", db, "--branch", "draft"]);
    assert_eq!(log("db"), log("copy"));
    let there = place.fail(&["import-dump", "copy", "all.dump"]);
    assert!(there.contains(":db-already-exists"), "{there}");

    let half = bytes("all.dump");
    std::fs::write(place.path("half.dump"), &half[..half.len() / 2]).expect("a file");
    let cut = place.fail(&["import-dump", "new", "half.dump"]);
    let told = format!("half.dump: the dump is damaged at byte {}", half.len() / 2);
    assert!(cut.contains(&told), "{cut}");
    assert!(!place.path("new/database").exists());
    let none = place.fail(&["import-dump", "new", "none.dump"]);
    assert!(none.contains("none.dump: No such file"), "{none}");
}

#[test]
fn a_backup_copies_what_is_new() {
    let place = filled();
    let checkpoint = ["checkpoint", "--db", "db"];
    assert_eq!(place.run(&checkpoint), "{:checkpoint :done}\n");
    assert_eq!(place.run(&checkpoint), "{:checkpoint :nothing-new}\n");
    let first = place.run(&["backup", "db", "copy"]);
    assert!(first.starts_with("{:branches 2, :objects "), "{first}");
    let second = place.run(&["backup", "db", "copy"]);
    assert!(second.contains(":objects 0, :bytes 0, :kept "), "{second}");
    let names = ["q", "--db", "copy", "[:find [?n ...] :where [_ :name ?n]]"];
    assert!(place.run(&names).contains("Ada Lovelace"));
    place.run(&["transact", "--db", "copy", "[{:db/id 9 :name \"Me\"}]"]);
    let spoiled = place.fail(&["backup", "db", "copy"]);
    assert!(
        spoiled.contains("the backup has been written to"),
        "{spoiled}"
    );
}

#[test]
fn damage_is_named_and_fails() {
    let place = filled();
    for options in [&["verify", "db"][..], &["verify", "db", "--deep"][..]] {
        let report = place.run(options);
        assert!(
            report.starts_with("{:status :ok, :branches [{:branch :db,"),
            "{report}"
        );
    }
    place.run(&["checkpoint", "--db", "db"]);
    let segments = place.path("db/segment");
    let folder = std::fs::read_dir(&segments).expect("segments").next();
    let folder = folder.expect("one").expect("readable").path();
    let file = std::fs::read_dir(&folder).expect("files").next();
    let file = file.expect("one").expect("readable").path();
    let mut bytes = std::fs::read(&file).expect("bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 8;
    std::fs::write(&file, bytes).expect("written");
    let output = place
        .command(&["verify", "db"])
        .output()
        .expect("the binary");
    assert_eq!(output.status.code(), Some(1));
    let name = file.file_name().expect("a name").to_string_lossy();
    let (told, report) = (
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    assert!(
        report.starts_with("{:status :damaged,") && report.contains(&*name),
        "{report}"
    );
    assert!(
        told.contains(&*name) && told.contains("from a backup"),
        "{told}"
    );
    let nowhere = place.fail(&["verify", "nowhere"]);
    assert!(nowhere.contains("Database does not exist."), "{nowhere}");
}
