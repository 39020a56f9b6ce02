//! Charts as Vega-Lite: what notebooks and web pages draw, data included.

use serde_json::{Value as Json, json};

use super::plot::{Kind, Marks, Plot, Series};
use super::scale::{Axis, Scale};

const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v5.json";

/// Most letters of all names below an axis that are not turned.
const LEVEL_LETTERS: usize = 90;

/// A specification of Vega-Lite 5 with its data. Fields are called x, y and color, so that any name a
/// column has can be shown.
pub(super) fn vega(plot: &Plot) -> Json {
    let mut spec = json!({
        "$schema": SCHEMA,
        "width": plot.width,
        "height": plot.height,
        "config": config(),
    });
    if !plot.title.is_empty() {
        spec["title"] = json!(plot.title);
    }
    let drawn = match &plot.marks {
        Marks::Series(series) => of_series(plot, series),
        Marks::Bins(bins) => {
            let rows = bins.iter();
            let rows = rows.map(|bin| json!({"x": bin.low, "x2": bin.high, "y": bin.count}));
            json!({
                "data": {"values": rows.collect::<Vec<Json>>()},
                "mark": {"type": "bar", "tooltip": true},
                "encoding": {
                    "x": {"field": "x", "type": "quantitative", "title": plot.x.title, "bin": {"binned": true}},
                    "x2": {"field": "x2"},
                    "y": axis("y", &plot.y, Kind::Hist),
                },
            })
        }
        Marks::Fields(fields) => {
            let (across, down) = (plot.x.scale.names(), plot.y.scale.names());
            let rows = fields.iter().map(
                |field| json!({"x": across[field.x], "y": down[field.y], "color": field.value}),
            );
            json!({
                "data": {"values": rows.collect::<Vec<Json>>()},
                "mark": {"type": "rect", "tooltip": true},
                "encoding": {
                    "x": axis("x", &plot.x, plot.kind),
                    "y": axis("y", &plot.y, plot.kind),
                    "color": {"field": "color", "type": "quantitative", "title": plot.color},
                },
            })
        }
        Marks::Graph(_) => of_graph(plot),
    };
    if let (Json::Object(spec), Json::Object(drawn)) = (&mut spec, drawn) {
        spec.extend(drawn);
    }
    spec
}

/// The look of charts as SVG: a light grid, quiet axes, the title on the left.
fn config() -> Json {
    json!({
        "view": {"stroke": null},
        "title": {"anchor": "start", "color": "#111827", "fontSize": 15, "offset": 14},
        "axis": {
            "gridColor": "#e8eaee", "domainColor": "#9ca3af", "ticks": false, "labelPadding": 6,
            "labelColor": "#374151", "titleColor": "#111827", "titleFontWeight": "normal",
            "labelFontSize": 11, "titleFontSize": 12,
        },
        "legend": {"labelColor": "#374151", "titleColor": "#111827", "titleFontWeight": "normal"},
        "range": {"heatmap": {"scheme": "blues"}},
    })
}

fn of_series(plot: &Plot, series: &[Series]) -> Json {
    let is_colored = !plot.color.is_empty();
    let mut rows = Vec::new();
    for Series { name, points } in series {
        for (x, y) in points {
            let x = match &plot.x.scale {
                Scale::Names(names) => json!(names[*x as usize]),
                Scale::Time { .. } => json!(*x as i64),
                Scale::Number { .. } => json!(x),
            };
            let mut row = json!({"x": x, "y": y});
            if is_colored {
                row["color"] = json!(name);
            }
            rows.push(row);
        }
    }
    let mark = match plot.kind {
        Kind::Bar => json!({"type": "bar", "tooltip": true}),
        Kind::Line => json!({"type": "line", "tooltip": true}),
        _ => json!({"type": "circle", "tooltip": true, "opacity": 0.75}),
    };
    let mut encoding = json!({
        "x": axis("x", &plot.x, plot.kind),
        "y": axis("y", &plot.y, plot.kind),
    });
    if is_colored {
        encoding["color"] =
            json!({"field": "color", "type": "nominal", "title": plot.color, "sort": null});
        if plot.kind == Kind::Bar {
            encoding["xOffset"] = json!({"field": "color", "sort": null});
        }
    }
    json!({"data": {"values": rows}, "mark": mark, "encoding": encoding})
}

fn axis(field: &str, axis: &Axis, kind: Kind) -> Json {
    let title = match axis.title.is_empty() {
        true => Json::Null,
        false => json!(axis.title),
    };
    let mut encoding = json!({"field": field, "title": title});
    match &axis.scale {
        Scale::Names(names) => {
            encoding["type"] = json!("nominal");
            // In the order of the table: with null, that of whichever series a name first stands in.
            encoding["sort"] = json!(names);
            // Vega turns every name unless told not to.
            let letters: usize = names.iter().map(|name| name.chars().count() + 2).sum();
            if field == "x" && letters <= LEVEL_LETTERS {
                encoding["axis"] = json!({"labelAngle": 0});
            }
        }
        Scale::Time { .. } => {
            encoding["type"] = json!("temporal");
            encoding["scale"] = json!({"type": "utc"});
        }
        Scale::Number { low, .. } => {
            encoding["type"] = json!("quantitative");
            if !matches!(kind, Kind::Bar | Kind::Hist) {
                encoding["scale"] = json!({"zero": *low == 0.0});
            }
        }
    }
    encoding
}

/// Links below nodes below names; the places were found before.
fn of_graph(plot: &Plot) -> Json {
    let Marks::Graph(layout) = &plot.marks else {
        return json!({});
    };
    let node = |at: usize| &layout.nodes[at];
    let links = layout.links.iter().map(|(from, to)| {
        let (from, to) = (node(*from), node(*to));
        json!({"x": from.x, "y": from.y, "x2": to.x, "y2": to.y, "from": from.name, "to": to.name})
    });
    let nodes = layout.nodes.iter();
    let nodes =
        nodes.map(|node| json!({"x": node.x, "y": node.y, "name": node.name, "links": node.links}));
    let place = |field: &str, is_down: bool| {
        let scale = json!({"domain": [0, 1], "padding": 24, "reverse": is_down});
        json!({"field": field, "type": "quantitative", "axis": null, "scale": scale})
    };
    let (x, y) = (place("x", false), place("y", true));
    json!({
        "layer": [
            {
                "data": {"values": links.collect::<Vec<Json>>()},
                "mark": {"type": "rule", "color": "#9ca3af", "opacity": 0.7},
                "encoding": {
                    "x": x, "y": y, "x2": {"field": "x2"}, "y2": {"field": "y2"},
                    "tooltip": [{"field": "from"}, {"field": "to"}],
                },
            },
            {
                "data": {"values": nodes.collect::<Vec<Json>>()},
                "encoding": {"x": x, "y": y},
                "layer": [
                    {
                        "mark": {"type": "circle", "opacity": 1},
                        "encoding": {
                            "size": {"field": "links", "type": "quantitative", "legend": null},
                            "tooltip": [{"field": "name"}, {"field": "links"}],
                        },
                    },
                    {
                        "mark": {"type": "text", "dy": -15},
                        "encoding": {"text": {"field": "name"}},
                    },
                ],
            },
        ],
    })
}
