//! The demo's answers, counted independently from its CSV files.

use super::Place;

#[test]
fn the_demo_answers_rightly_and_so_does_what_it_leaves() {
    let place = Place::empty();
    let page = place.run(&["demo", "--dir", "routes.db"]);
    let lines: Vec<String> = page
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let shows = |expected: &str| {
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "no {expected:?} in\n{page}"
        );
    };
    shows("7 continents, 237 countries, 3,504 airports, 50,637 routes");
    shows("9526 JFK United States SIN Singapore");
    shows("9009 LHR United Kingdom PER Australia");
    shows("North America 989 1739 9069 922.24");
    shows("Oceania 305 455 5889 373.45");
    shows("FRA Frankfurt 310");
    for reached in ["1 2", "2 137", "3 1430", "4 2944", "5 3371", "3462"] {
        assert!(
            lines.iter().any(|line| line == reached),
            "no {reached:?} in\n{page}"
        );
    }
    shows("7 rows");
    shows("GYZ Gruyere");
    shows("now: \"Mazar-i-Sharif\"");
    shows("as of the transaction before: \"Mazar-i-Sharif Airport\"");
    shows("the same answers to all 6 questions");
    assert!(!page.contains('\u{1b}'), "colours in a pipe");

    let city = "[:find ?city . :where [?a :airport/code \"MZR\"] [?a :airport/city ?city]]";
    assert_eq!(
        place.run(&["q", "--db", "routes.db", city]),
        "\"Mazar-i-Sharif\"\n"
    );
    let count = "[:find (count ?r) . :where [?r :route/miles]]";
    assert_eq!(place.run(&["q", "--db", "routes.db", count]), "50637\n");
    let last: i64 = place
        .run(&[
            "q",
            "--db",
            "routes.db",
            "[:find (max ?t) . :where [?t :db/txInstant]]",
        ])
        .trim()
        .parse()
        .expect("a transaction");
    let before = (last - 1).to_string();
    assert_eq!(
        place.run(&["q", "--db", "routes.db", "--as-of", &before, city]),
        "\"Mazar-i-Sharif Airport\"\n"
    );
    assert!(
        place
            .fail(&["demo", "--dir", "routes.db"])
            .starts_with("1 error: ")
    );
}
