//! Charts as scripts ask for them.

use rhai::Engine;

use super::Chart;
use crate::files::Grants;
use crate::meter::Meter;

/// The chart of a script.
fn chart(script: &str) -> Chart {
    let mut engine = Engine::new();
    crate::table::register(&mut engine, &Meter::default(), &Grants::default());
    super::register(&mut engine, &Grants::default());
    engine.eval(script).unwrap()
}

#[test]
fn samples_are_drawn() {
    let Ok(folder) = std::env::var("CHARTS") else {
        return;
    };
    for (name, script) in SAMPLES {
        let chart = chart(script);
        std::fs::write(format!("{folder}/{name}.svg"), chart.svg().unwrap()).unwrap();
        std::fs::write(format!("{folder}/{name}.json"), chart.vega().to_string()).unwrap();
        std::fs::write(format!("{folder}/{name}.txt"), chart.text(80, 20)).unwrap();
    }
}

const SAMPLES: &[(&str, &str)] = &[
    (
        "bar",
        r#"table(#{city: ["Oslo", "London", "Reykjavik", "São Paulo", "New York"], routes: [144, 526, 86, 231, 456]}).plot(#{title: "Routes by city"})"#,
    ),
    (
        "bars",
        r#"table(#{year: [2024, 2024, 2024, 2025, 2025, 2025], class: ["eco", "biz", "first", "eco", "biz", "first"], seats: [12000, 3400, 800, 14100, 3900, -450]}).plot(#{kind: "bar", x: "year", y: "seats", color: "class"})"#,
    ),
    (
        "many",
        r#"let n = []; let v = []; for i in 0..60 { n.push(`airport number ${i}`); v.push((i * 37) % 61); } table(#{name: n, value: v}).plot(#{kind: "bar", title: "Sixty <bars> & more"})"#,
    ),
    (
        "line",
        r#"let at = []; let a = []; let b = []; for i in 0..120 { at.push(1767225600000 + i * 86400000); a.push(50.0 + 30.0 * (i.to_float() / 9.0).sin()); b.push(40.0 + i * 0.4); } table(#{at: column(at).cast("instant"), delay: a, load: b}).plot(#{title: "Delay and load", x: "at", y: ["delay", "load"]})"#,
    ),
    (
        "scatter",
        r#"let x = []; let y = []; let c = []; for i in 0..300 { let u = ((i * 7919) % 1000).to_float() / 1000.0; let w = ((i * 104729) % 997).to_float() / 997.0; x.push(u * 40.0 + w * 5.0); y.push(u * u * 900.0 + w * 200.0); c.push(if i % 3 == 0 { "jet" } else { "prop" }); } table(#{miles: x, price: y, kind: c}).plot(#{x: "miles", y: "price", color: "kind", title: "Price by distance"})"#,
    ),
    (
        "hist",
        r#"let x = []; for i in 0..2000 { let u = ((i * 7919) % 1000).to_float() / 1000.0; let w = ((i * 104729) % 997).to_float() / 997.0; let v = ((i * 1299709) % 991).to_float() / 991.0; x.push((u + w + v) * 100.0); } table(#{minutes: x}).plot(#{title: "Delays"})"#,
    ),
    (
        "heatmap",
        r#"let d = []; let h = []; let n = []; for i in 0..7 { for k in 0..12 { d.push(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][i]); h.push(`${k * 2}h`); n.push((i + 2) * (12 - (k - 6).abs()) * 3); } } table(#{day: d, hour: h, flights: n}).plot(#{kind: "heatmap", x: "hour", y: "day", color: "flights", title: "Flights by day and hour"})"#,
    ),
    (
        "graph",
        r#"table(#{from: ["OSL", "OSL", "OSL", "LHR", "LHR", "JFK", "JFK", "SFO", "SFO", "NRT", "CDG", "CDG", "FRA", "FRA", "KEF", "AMS"], to: ["LHR", "JFK", "KEF", "JFK", "CDG", "SFO", "LAX", "LAX", "NRT", "ICN", "FRA", "OSL", "LHR", "AMS", "JFK", "LHR"]}).plot(#{kind: "graph", title: "Routes"})"#,
    ),
];
