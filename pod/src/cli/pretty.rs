//! EDN laid out for people: what fits on a line stays on it, the rest is broken at its parts.

use datalith_engine::Value;

/// Columns of a line.
const WIDTH: usize = 100;

/// A value on as many lines as it needs, the first not indented, the others by `indent`.
pub(crate) fn layout(value: &Value, indent: usize) -> String {
    let line = value.to_string();
    if line.chars().count() + indent <= WIDTH {
        return line;
    }
    let separator = format!("\n{}", " ".repeat(indent + 1));
    let items = |items: &mut dyn Iterator<Item = &Value>, indent: usize| {
        items.map(|item| layout(item, indent)).collect::<Vec<_>>()
    };
    match value {
        Value::Vector(parts) => {
            format!(
                "[{}]",
                items(&mut parts.iter(), indent + 1).join(&separator)
            )
        }
        Value::List(parts) => {
            format!(
                "({})",
                items(&mut parts.iter(), indent + 1).join(&separator)
            )
        }
        Value::Set(parts) => {
            let separator = format!("{separator} ");
            format!(
                "#{{{}}}",
                items(&mut parts.iter(), indent + 2).join(&separator)
            )
        }
        Value::Map(map) => {
            let entry = |(key, value): (&Value, &Value)| {
                let key = key.to_string();
                let value = layout(value, indent + 2 + key.chars().count());
                format!("{key} {value}")
            };
            let entries: Vec<String> = map.iter().map(entry).collect();
            format!("{{{}}}", entries.join(&format!(",{separator}")))
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_broken_at_their_parts() {
        let value = |text: &str| datalith_engine::edn::read(text).unwrap();
        assert_eq!(layout(&value("{:a [1 2]}"), 0), "{:a [1 2]}");
        let long = "x".repeat(70);
        let text = format!("{{:a [\"{long}\" \"{long}\"], :b 1}}");
        let laid_out = layout(&value(&text), 0);
        assert_eq!(
            laid_out,
            format!("{{:a [\"{long}\"\n     \"{long}\"],\n :b 1}}")
        );
        assert_eq!(value(&laid_out), value(&text));
    }
}
