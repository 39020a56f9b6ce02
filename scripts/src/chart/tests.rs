//! Charts as scripts ask for them.

use rhai::{Dynamic, Engine};

use super::Chart;
use crate::files::Grants;
use crate::meter::Meter;
use crate::table::Table;

/// The table of all examples.
const TRIPS: &str = r#"let trips = table([
    #{city: "Oslo", routes: 144, delay: 7.5, day: "2026-01-31", haul: "long"},
    #{city: "London", routes: 526, delay: 12.0, day: "2026-02-28", haul: "short"},
    #{city: "Nice", routes: -86, delay: (), day: "2026-03-31", haul: "long"}]);
    trips = trips.with_column("day", trips.day.cast("instant"));"#;

/// What a script comes to, and what its chart is; or why it fails.
fn chart(script: &str) -> Result<Chart, String> {
    let mut engine = Engine::new();
    crate::table::register(&mut engine, &Meter::default(), &Grants::default());
    super::register(&mut engine, &Grants::default());
    let chart = engine.eval(&format!("{TRIPS} {script}"));
    chart.map_err(|error| {
        let text = error.to_string();
        let text = text.trim_start_matches("Runtime error: ");
        text.split(" (line").next().unwrap_or(text).to_owned()
    })
}

/// Checks examples: a script and its chart in 40 columns and 8 lines, or why there is none.
fn check(examples: &[(&str, &str)]) {
    crate::table::tests::check_examples(examples, |script| {
        chart(script).map_or_else(|why| why, |chart| chart.text(40, 8))
    });
}

#[test]
fn a_chart_is_guessed_from_the_kinds_of_the_columns() {
    for (script, kind) in [
        ("trips.select([\"city\", \"routes\"]).plot()", "Bar"),
        (
            "trips.select([\"city\", \"routes\", \"day\"]).plot()",
            "Line",
        ),
        ("trips.select([\"routes\", \"delay\"]).plot()", "Scatter"),
        ("trips.select([\"routes\"]).plot()", "Hist"),
        ("trips.select([\"city\"]).plot()", "Bar"),
        ("trips.plot(#{x: \"delay\"})", "Hist"),
        ("trips.plot(#{kind: \"bar\"})", "Bar"),
        ("trips.plot(#{x: \"city\", y: \"haul\"})", "Heatmap"),
        (
            "trips.plot(#{kind: \"graph\", x: \"city\", y: \"haul\"})",
            "Graph",
        ),
        ("trips.plot(#{x: \"haul\", y: \"delay\"})", "Bar"),
        ("trips.head(0).plot()", "Line"),
    ] {
        let chart = chart(script).unwrap();
        assert_eq!(format!("{:?}", chart.0.kind), kind, "{script}");
    }
}

#[test]
fn charts_are_drawn_in_a_terminal() {
    check(&[
        (
            r#"trips.plot(#{x: "city", y: "routes", title: "Routes"})"#,
            "Routes
             Oslo       │██████▍ 144
             London     │███████████████████████▎ 526
             Nice   ████│ -86",
        ),
        (
            r#"trips.plot(#{kind: "bar", x: "haul", y: ()})"#,
            "long  │██████████████████████████████ 2
             short │███████████████ 1",
        ),
        (
            r#"trips.plot(#{kind: "bar", x: "haul", y: "delay", color: "city"})"#,
            "long Oslo    │█████████████▏ 7.5
             short London │█████████████████████ 12",
        ),
        (
            r#"trips.plot(#{x: "city", y: "haul", title: "Both"})"#,
            "Both
                   Oslo   London Nice
              long ██████        ██████
             short        ██████
                   rows: · 0 to █ 1",
        ),
        (
            r#"trips.plot(#{x: "day", y: "delay"})"#,
            "   │                             ⣀⣀⠤⠤⠒⠒⠉
                │                     ⢀⣀⡠⠤⠔⠒⠉⠉
             10 ┤              ⢀⣀⡠⠤⠖⠊⠉⠁
                │       ⣀⣀⠤⠔⠒⠊⠉⠁
                │⣀⠤⠤⠒⠒⠉⠉
                └───────────────┬─────────────────┬──
                              Feb 12            Feb 26
                                  day",
        ),
        (
            r#"trips.plot(#{x: "delay", y: "routes", color: "haul"})"#,
            "    │                                  ○
             500 ┤
                 │
                 │●
               0 ┤
                 └────┬──────────────┬──────────────┬
                      8              10             12
                                 delay
                 ● long  ○ short",
        ),
        (
            "table(#{x: [1, 2, 2, 3, 3, 3]}).plot(#{bins: 3})",
            "  │                        ███████████
             2 ┤            ▃▃▃▃▃▃▃▃▃▃▃ ███████████
               │            ███████████ ███████████
               │▆▆▆▆▆▆▆▆▆▆▆ ███████████ ███████████
             0 ┤███████████ ███████████ ███████████
               └┬─────────────────┬────────────────┬
                1                 2                3
                                  x",
        ),
    ]);
}

#[test]
fn what_cannot_be_drawn_says_why() {
    check(&[
        (
            r#"trips.plot(#{kind: "pie"})"#,
            "no chart pie; there are bar, line, scatter, hist, heatmap, graph",
        ),
        (
            r#"trips.plot(#{x: "town"})"#,
            "no column town; there are city, day, delay, haul, routes",
        ),
        (
            r#"trips.plot(#{colour: "haul"})"#,
            "plot has no option colour; there are kind, x, y, color, title, width, height, bins",
        ),
        (
            r#"trips.plot(#{kind: "line", y: "city"})"#,
            "y takes numbers, column city is of kind string",
        ),
        (
            r#"trips.plot(#{kind: "hist", x: "city"})"#,
            "plot takes numbers, this column is of kind string",
        ),
        (r#"trips.plot(#{width: 5})"#, "width is from 120 to 8000"),
        ("table([]).plot()", "there is no column to plot"),
        (
            r#"trips.select("city").plot(#{kind: "line"})"#,
            "there is no column for y",
        ),
        (
            r#"trips.plot(#{y: ["routes", "delay"], color: "city"})"#,
            "a chart takes several columns for y or one for color, not both",
        ),
    ]);
}

#[test]
fn charts_become_vega_lite_with_their_data() {
    let spec = chart(r#"trips.plot(#{x: "day", y: "delay", title: "Late"})"#)
        .unwrap()
        .vega();
    assert_eq!(
        spec["$schema"],
        "https://vega.github.io/schema/vega-lite/v5.json"
    );
    assert_eq!(spec["title"], "Late");
    assert_eq!(spec["mark"]["type"], "line");
    let values = serde_json::json!([
        {"x": 1_769_817_600_000_i64, "y": 7.5},
        {"x": 1_772_236_800_000_i64, "y": 12.0},
    ]);
    assert_eq!(spec["data"]["values"], values);
    assert_eq!(spec["encoding"]["x"]["type"], "temporal");
    assert_eq!(spec["encoding"]["y"]["title"], "delay");
    let spec = chart(r#"trips.plot(#{kind: "graph", x: "city", y: "haul"})"#)
        .unwrap()
        .vega();
    assert_eq!(
        spec["layer"][0]["data"]["values"].as_array().unwrap().len(),
        3
    );
    assert_eq!(
        spec["layer"][1]["data"]["values"].as_array().unwrap().len(),
        5
    );
}

#[test]
fn charts_become_png() {
    let script = "trips.plot(#{kind: \"bar\", x: \"city\", y: \"routes\", title: \"Routes\"})";
    let png = chart(script).unwrap().png().unwrap();
    let ihdr = [
        &0x89_u8.to_be_bytes()[..],
        b"PNG\r\n\x1a\n",
        &13_u32.to_be_bytes(),
        b"IHDR",
    ]
    .concat();
    assert!(png.starts_with(&ihdr));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (1440, 840));
    assert_eq!(png, chart(script).unwrap().png().unwrap());
    // A title is drawn.
    let untitled = chart("trips.plot(#{kind: \"bar\", x: \"city\", y: \"routes\"})");
    assert_ne!(png, untitled.unwrap().png().unwrap());
}

#[test]
fn charts_become_svg() {
    for options in [
        r#"kind: "bar", x: "city", y: "routes""#,
        r#"kind: "bar", x: "city", y: ["routes", "delay"]"#,
        r#"kind: "line", x: "city", y: "delay", color: "haul""#,
        r#"kind: "scatter", x: "delay", y: "routes""#,
        r#"kind: "hist", x: "delay""#,
        r#"kind: "heatmap", x: "city", y: "haul", color: "routes""#,
        r#"kind: "graph", x: "city", y: "haul""#,
    ] {
        for rows in 0..=3 {
            let script = format!("trips.head({rows}).plot(#{{{options}, title: \"<i> & you\"}})");
            let chart = chart(&script).unwrap();
            let svg = chart.svg().unwrap();
            assert!(
                svg.starts_with("<svg width=\"720\" height=\"420\""),
                "{script}"
            );
            assert!(
                svg.contains("&lt;i&gt; &amp; you") && !svg.contains("NaN"),
                "{script}"
            );
            assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
            assert_eq!(
                svg,
                self::chart(&script).unwrap().svg().unwrap(),
                "{script}"
            );
            assert!(!chart.text(40, 8).contains("NaN"), "{script}");
        }
    }
}

/// The examples of the reference, in the order in which they stand there.
#[test]
fn the_reference_runs() {
    let folder = tempfile::tempdir().unwrap();
    let files = Grants::new(&[], &[folder.path().into()]).unwrap();
    let mut engine = Engine::new();
    crate::table::register(&mut engine, &Meter::default(), &files);
    super::register(&mut engine, &files);
    let mut scope = rhai::Scope::new();
    let text = include_str!("../../../docs/tables.md");
    let blocks = text.split("```rust\n").skip(1);
    for block in blocks.filter_map(|block| block.split("```").next()) {
        let block = block.replace("\"out/", &format!("\"{}/", folder.path().display()));
        let result = engine.eval_with_scope::<Dynamic>(&mut scope, &block);
        let result = result.unwrap_or_else(|error| panic!("{error}\n{block}"));
        let said: Vec<&str> = block
            .lines()
            .filter_map(|line| line.strip_prefix("//"))
            .collect();
        let shown = match result.read_lock::<Table>() {
            Some(table) => table.to_string(),
            None => result.to_string(),
        };
        if !said.is_empty() {
            let shown: Vec<&str> = shown.lines().map(str::trim).collect();
            assert_eq!(
                said.iter().map(|line| line.trim()).collect::<Vec<_>>(),
                shown
            );
        }
    }
}
