//! Pull patterns: which attributes of an entity to return, under which names, how deep.

use indexmap::IndexMap;

use super::cursor::Node;
use crate::error::{Code, Error, Result};
use crate::limits::EDN_DEPTH;
use crate::value::{Keyword, Value};

/// A whole pattern, or one below an attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pattern {
    /// Whether `*` asks for every attribute.
    pub wildcard: bool,
    /// The attributes asked for by name, in the order of their first mention; of several mentions
    /// the last one counts.
    pub attributes: Vec<Attribute>,
}

/// One attribute of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// The forward name: a keyword, or a string where the pattern has a string.
    pub name: Value,
    /// Whether the pattern follows references backwards, `:ns/_name`.
    pub reverse: bool,
    /// The key in the result: the name as written, or what `:as` says.
    pub key: Value,
    /// How many values to return.
    pub limit: Limit,
    /// What an entity without the attribute gets instead.
    pub default: Option<Value>,
    /// What to return of the entities referred to.
    pub nested: Nested,
}

/// Most values of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The pattern does not say: [`PULL_VALUES`](crate::limits::PULL_VALUES).
    Default,
    /// `:limit nil`
    Unlimited,
    /// `:limit n`, at least 1.
    Count(usize),
}

/// What a pattern says below a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Nested {
    /// Nothing.
    None,
    /// `{attribute [pattern]}`
    Pattern(Pattern),
    /// `{attribute n}`: the pattern around it again, at most `n` levels down.
    Levels(usize),
    /// `{attribute ...}`: the pattern around it again, as deep as there are new entities.
    Unbounded,
}

/// Reads a pull pattern.
///
/// - Errors: `ParserPull` with the `:fragment` it refuses; `Limit` where it nests too deep.
pub fn parse_pull(pattern: &Value) -> Result<Pattern> {
    parse_pattern(Node::new(pattern, None).unquoted())
}

pub(super) fn parse_pattern(node: Node<'_>) -> Result<Pattern> {
    pattern(node, 0)
}

fn pattern(node: Node<'_>, depth: usize) -> Result<Pattern> {
    if depth > EDN_DEPTH {
        return Err(node.error(Code::Limit, format!("A pull nests deeper than {EDN_DEPTH}")));
    }
    let items = node.members().ok_or_else(|| {
        refuse(
            node,
            format!("Cannot parse pull pattern {node}, expected [attr-spec+]"),
        )
    })?;
    let mut wildcard = false;
    let mut attributes: IndexMap<Value, Attribute> = IndexMap::new();
    // Maps come last in the result, whatever their place in the pattern.
    let (maps, others): (Vec<Node<'_>>, Vec<Node<'_>>) = items
        .into_iter()
        .partition(|item| item.value.as_map().is_some());
    for item in others {
        if is_wildcard(item.value) {
            wildcard = true;
        } else {
            let (written, attribute) = attribute_spec(item)?;
            attributes.insert(written, attribute);
        }
    }
    for (key, below) in maps
        .into_iter()
        .flat_map(|map| map.entries().unwrap_or_default())
    {
        let (written, mut attribute) = attribute_spec(key)?;
        attribute.nested = nested(key, below, depth)?;
        attributes.insert(written, attribute);
    }
    Ok(Pattern {
        wildcard,
        attributes: attributes.into_values().collect(),
    })
}

fn is_wildcard(value: &Value) -> bool {
    word(value) == Some("*")
}

/// The text of a symbol, keyword or string: the pull syntax takes any of them for its words.
fn word(value: &Value) -> Option<&str> {
    match value {
        Value::Symbol(symbol) => Some(symbol.as_str()),
        Value::Keyword(keyword) => Some(keyword.as_str()),
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn nested(key: Node<'_>, below: Node<'_>, depth: usize) -> Result<Nested> {
    let levels = below
        .value
        .as_long()
        .filter(|n| *n > 0)
        .and_then(|n| usize::try_from(n).ok());
    match below.value {
        Value::Symbol(_) | Value::Str(_) if word(below.value) == Some("...") => {
            Ok(Nested::Unbounded)
        }
        _ if below.members().is_some() => Ok(Nested::Pattern(pattern(below, depth + 1)?)),
        _ => levels.map(Nested::Levels).ok_or_else(|| {
            let message =
                format!("Expected a pattern, a number of levels or ... for {key}, got {below}");
            below.error(Code::ParserPull, message).with(
                "fragment",
                Value::vector([key.value.clone(), below.value.clone()]),
            )
        }),
    }
}

/// An attribute with its options, and its name as written.
fn attribute_spec(node: Node<'_>) -> Result<(Value, Attribute)> {
    if let Some(attribute) = attribute_name(node.value) {
        return Ok((node.value.clone(), attribute));
    }
    let items = node.items().unwrap_or_default();
    if let [head, name, value] = items.as_slice()
        && let Some(spec) = legacy_spec(node, *head, *name, *value)?
    {
        return Ok(spec);
    }
    let named = items
        .first()
        .and_then(|head| Some((*head, attribute_name(head.value)?)));
    let Some((head, mut attribute)) = named else {
        let message = format!(
            "Cannot parse attr-spec {node}, expected a keyword, *, {{attr pattern}} or [attr :option value …]"
        );
        return Err(refuse(node, message));
    };
    let options = items[1..].chunks_exact(2);
    if !options.remainder().is_empty() {
        return Err(refuse(
            node,
            format!("Odd number of attribute options in {node}"),
        ));
    }
    for option in options {
        apply_option(node, option[0], option[1], &mut attribute)?;
    }
    Ok((head.value.clone(), attribute))
}

fn apply_option(
    node: Node<'_>,
    name: Node<'_>,
    value: Node<'_>,
    attribute: &mut Attribute,
) -> Result<()> {
    match name.keyword().map(Keyword::as_str) {
        Some("as") => attribute.key = value.value.clone(),
        Some("default") => attribute.default = Some(value.value.clone()),
        Some("limit") => attribute.limit = limit(node, value)?,
        _ => {
            let message = format!(
                "Invalid attribute option: {name} in {node}, expected :as, :limit or :default"
            );
            return Err(refuse(node, message));
        }
    }
    Ok(())
}

/// `(limit attr n)` and `(default attr value)`, whose first word may also be a keyword or string.
fn legacy_spec(
    node: Node<'_>,
    head: Node<'_>,
    name: Node<'_>,
    value: Node<'_>,
) -> Result<Option<(Value, Attribute)>> {
    let word = match word(head.value) {
        Some(word @ ("limit" | "default")) => word,
        _ => return Ok(None),
    };
    let option = name.keyword().map(Keyword::as_str);
    if head.symbol().is_none() && matches!(option, Some("as" | "limit" | "default")) {
        return Ok(None);
    }
    let mut attribute = attribute_name(name.value)
        .ok_or_else(|| refuse(node, format!("Expected ({word} attr value), got {node}")))?;
    match word {
        "limit" => attribute.limit = limit(node, value)?,
        _ => attribute.default = Some(value.value.clone()),
    }
    Ok(Some((name.value.clone(), attribute)))
}

fn limit(node: Node<'_>, value: Node<'_>) -> Result<Limit> {
    match value.value {
        Value::Nil => Ok(Limit::Unlimited),
        Value::Long(n) if *n > 0 => Ok(Limit::Count(usize::try_from(*n).unwrap_or(usize::MAX))),
        _ => {
            let message =
                format!("Expected a positive number or nil as limit in {node}, got {value}");
            Err(refuse(node, message))
        }
    }
}

fn attribute_name(written: &Value) -> Option<Attribute> {
    let keyword = match written {
        Value::Keyword(keyword) => keyword.clone(),
        Value::Str(text) => Keyword::new(text),
        _ => return None,
    };
    let forward = keyword.unreversed();
    let reverse = forward.is_some();
    let name = match (forward, written) {
        (None, _) => written.clone(),
        (Some(forward), Value::Str(_)) => Value::str(forward.as_str()),
        (Some(forward), _) => Value::Keyword(forward),
    };
    let key = written.clone();
    let (limit, default, nested) = (Limit::Default, None, Nested::None);
    Some(Attribute {
        name,
        reverse,
        key,
        limit,
        default,
        nested,
    })
}

fn refuse(node: Node<'_>, message: String) -> Error {
    node.error(Code::ParserPull, message)
        .with("fragment", node.value.clone())
}

#[cfg(test)]
mod tests {
    use super::{Limit, Nested, Pattern, parse_pull};
    use crate::edn;

    /// The pattern in short: `name key limit default below`, or the error's key and fragment.
    fn check(text: &str, expected: &str) {
        let got = match parse_pull(&edn::read(text).unwrap()) {
            Ok(pattern) => shown(&pattern),
            Err(error) => format!("{} {}", error.code().keyword().unwrap(), error.data()[0].1),
        };
        assert_eq!(got, expected, "{text}");
    }

    fn shown(pattern: &Pattern) -> String {
        let mut parts: Vec<String> = pattern
            .wildcard
            .then(|| "*".to_owned())
            .into_iter()
            .collect();
        for attribute in &pattern.attributes {
            let mut part = format!(
                "{}{}",
                if attribute.reverse { "<" } else { "" },
                attribute.name
            );
            if attribute.key != attribute.name {
                part.push_str(&format!(" as {}", attribute.key));
            }
            match attribute.limit {
                Limit::Default => {}
                Limit::Unlimited => part.push_str(" all"),
                Limit::Count(n) => part.push_str(&format!(" first {n}")),
            }
            if let Some(default) = &attribute.default {
                part.push_str(&format!(" else {default}"));
            }
            match &attribute.nested {
                Nested::None => {}
                Nested::Pattern(below) => part.push_str(&format!(" ({})", shown(below))),
                Nested::Levels(n) => part.push_str(&format!(" {n} levels")),
                Nested::Unbounded => part.push_str(" ..."),
            }
            parts.push(part);
        }
        parts.join(", ")
    }

    #[test]
    fn patterns() {
        check("[]", "");
        check("[:a \"b\" :db/id]", ":a, \"b\", :db/id");
        check("[:a {:b [:c]} * :d]", "*, :a, :d, :b (:c)");
        check("[\"*\"]", "*");
        check("#{:*}", "*");
        check("[:ns/_a :_b]", "<:ns/a as :ns/_a, <:b as :_b");
        check(
            "[{:a 2 :b ...} {:c \"...\"}]",
            ":a 2 levels, :b ..., :c ...",
        );
        check(
            "[[:a :as \"x\" :limit 3 :default 0] (:b :limit nil)]",
            ":a as \"x\" first 3 else 0, :b all",
        );
        check(
            "[(limit :a 3) [\"limit\" :b nil] (default :c 1) [:default :d 2]]",
            ":a first 3, :b all, :c else 1, :d else 2",
        );
        check("[[:limit :as :x]]", ":limit as :x");
        check(
            "[{[:a :default 1] [:b], (limit :c 2) ...}]",
            ":a else 1 (:b), :c first 2 ...",
        );
        check("[:a :b [:a :as :c]]", ":a as :c, :b");
        check("[{:a [] :b []} :a]", ":a (), :b ()");
    }

    #[test]
    fn refused_patterns() {
        check(":a", "parser/pull :a");
        check("[5]", "parser/pull 5");
        check("[a]", "parser/pull a");
        check("[[]]", "parser/pull []");
        check("[[:a :xform x]]", "parser/pull [:a :xform x]");
        check("[[:a :limit]]", "parser/pull [:a :limit]");
        check("[[:a :limit 0]]", "parser/pull [:a :limit 0]");
        check("[(limit :a -1)]", "parser/pull (limit :a -1)");
        check("[(limit 5 1)]", "parser/pull (limit 5 1)");
        check("[{:a 0}]", "parser/pull [:a 0]");
        check("[{:a :b}]", "parser/pull [:a :b]");
        check("[{* [:a]}]", "parser/pull *");
    }
}
