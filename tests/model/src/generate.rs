//! Random worlds: schemas and transactions.

use super::world::{Random, World};

/// One attribute of the pool: its name and type.
#[derive(Clone, Copy)]
pub struct Attribute {
    pub(super) ident: &'static str,
    pub(super) kind: Kind,
    many: bool,
    unique: &'static str,
}

/// What a value or variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Entity,
    Long,
    Double,
    Text,
    Keyword,
    Bool,
    Instant,
    Tx,
    Added,
    Attribute,
    /// Of any type: kept out of joins.
    Any,
}

const POOL: [Attribute; 11] = [
    attribute(":p/name", Kind::Text, false, "identity"),
    attribute(":p/code", Kind::Long, false, "value"),
    attribute(":p/key", Kind::Keyword, false, "identity"),
    attribute(":nick", Kind::Text, true, ""),
    attribute(":age", Kind::Long, false, ""),
    attribute(":p/score", Kind::Double, false, ""),
    attribute(":tag", Kind::Keyword, true, ""),
    attribute(":p/ok", Kind::Bool, false, ""),
    attribute(":born", Kind::Instant, false, ""),
    attribute(":friend", Kind::Entity, true, ""),
    attribute(":p/boss", Kind::Entity, false, ""),
];

const fn attribute(ident: &'static str, kind: Kind, many: bool, unique: &'static str) -> Attribute {
    Attribute {
        ident,
        kind,
        many,
        unique,
    }
}

/// A world and the attributes its transactions use.
pub fn world(random: &mut Random) -> (World, Vec<Attribute>) {
    let attribute_refs = random.percent(12);
    let is_open = !attribute_refs && random.percent(25);
    let keep_history = random.percent(85);
    let mut attributes: Vec<Attribute> = POOL
        .iter()
        .filter(|_| random.percent(40))
        .copied()
        .collect();
    if !attributes.iter().any(|a| a.kind == Kind::Entity) {
        attributes.push(POOL[9]);
    }
    let mut schema = Vec::new();
    for attribute in &mut attributes {
        if is_open && attribute.kind != Kind::Entity && random.percent(30) {
            (attribute.many, attribute.unique) = (false, "");
            continue;
        }
        if random.percent(40) {
            attribute.unique = "";
        }
        let many = if attribute.many { "many" } else { "one" };
        let unique = match attribute.unique {
            "" => String::new(),
            unique => format!(":db/unique :db.unique/{unique}"),
        };
        let index = if random.percent(30) {
            ":db/index true"
        } else {
            ""
        };
        schema.push(format!(
            "{{:db/ident {} :db/valueType :db.type/{} :db/cardinality :db.cardinality/{many} {unique} {index}}}",
            attribute.ident,
            type_name(attribute.kind)
        ));
    }
    let mut transactions = vec![schema];
    let count = if random.percent(5) {
        0
    } else {
        1 + random.below(5)
    };
    for _ in 0..count {
        let forms = (0..3 + random.below(8))
            .map(|at| form(random, &attributes, at))
            .collect();
        transactions.push(forms);
    }
    (
        World {
            attribute_refs,
            keep_history,
            is_open,
            transactions,
        },
        attributes,
    )
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Entity => "ref",
        Kind::Long => "long",
        Kind::Double => "double",
        Kind::Text => "string",
        Kind::Keyword => "keyword",
        Kind::Bool => "boolean",
        _ => "instant",
    }
}

fn form(random: &mut Random, attributes: &[Attribute], position: usize) -> String {
    let attribute = *random.pick(attributes);
    let (e, a, v) = (
        entity(random),
        attribute.ident,
        transacted(random, attribute.kind),
    );
    match random.below(20) {
        0..9 => format!("[:db/add {e} {a} {v}]"),
        9 => format!("[:db/retract {e} {a} {v}]"),
        10 => format!("[:db/retract {e} {a}]"),
        11 if random.percent(50) => format!("[:db/retractEntity {e}]"),
        14 if attribute.unique == "identity" => {
            let other = *random.pick(attributes);
            let value = transacted(random, other.kind);
            format!("[:db/add [{a} {v}] {} {value}]", other.ident)
        }
        _ => map(random, attributes, position, &e),
    }
}

fn map(random: &mut Random, attributes: &[Attribute], position: usize, e: &str) -> String {
    let id = match random.below(3) {
        0 => format!(":db/id {e}"),
        1 => format!(":db/id \"t{position}\""),
        _ => String::new(),
    };
    let mut picked = attributes.to_vec();
    random.shuffle(&mut picked);
    picked.truncate(1 + random.below(4));
    let entry = |attribute: &Attribute| {
        let v = transacted(random, attribute.kind);
        if attribute.many && random.percent(40) {
            let other = transacted(random, attribute.kind);
            // A pair could be taken for a lookup ref.
            return format!("{} [{v} {other} {v}]", attribute.ident);
        }
        format!("{} {v}", attribute.ident)
    };
    let entries: Vec<String> = picked.iter().map(entry).collect();
    format!("{{{id} {}}}", entries.join(" "))
}

pub(super) fn entity(random: &mut Random) -> String {
    (101 + random.below(4)).to_string()
}

fn transacted(random: &mut Random, kind: Kind) -> String {
    // Now and then of a wrong type: refused where types are declared.
    if random.percent(1) {
        return if kind == Kind::Text {
            ":wrong".into()
        } else {
            "\"wrong\"".into()
        };
    }
    constant(random, kind)
}

/// A value as text; few of each, so that they meet.
pub(super) fn constant(random: &mut Random, kind: Kind) -> String {
    match kind {
        Kind::Entity => entity(random),
        Kind::Long => random.below(3).to_string(),
        Kind::Double => (*random.pick(&["0.5", "1.0", "2.5"])).into(),
        Kind::Text => (*random.pick(&["\"a\"", "\"b\"", "\"cc\""])).into(),
        Kind::Keyword | Kind::Any => (*random.pick(&[":x", ":y", ":z"])).into(),
        Kind::Bool | Kind::Added => (*random.pick(&["true", "false"])).into(),
        Kind::Instant => format!("#inst \"1970-01-01T00:00:0{}.000-00:00\"", random.below(7)),
        Kind::Tx => (super::log::TX0 + random.below(7) as i64).to_string(),
        Kind::Attribute => random.pick(&POOL).ident.into(),
    }
}
