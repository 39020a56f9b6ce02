//! A crowd of any size: people with ten attributes each, every one of them computed from its id.

use std::io::{self, Write};

use datalith_engine::Value;

/// Attributes of a person.
pub(crate) const ATTRIBUTES: i64 = 10;
/// Entities of the schema: above any person.
const SCHEMA_ENTITIES: i64 = 100_000_000;

const NAMES: [&str; 16] = [
    "Ada", "Ben", "Clara", "Denis", "Elif", "Fedor", "Greta", "Hana", "Ivan", "Jun", "Kofi",
    "Lena", "Mara", "Nils", "Oleg", "Petra",
];
const LAST_NAMES: [&str; 12] = [
    "Abe", "Berg", "Castro", "Diaz", "Evans", "Fischer", "Garcia", "Haas", "Ito", "Jansen",
    "Kovalev", "Lopez",
];

/// One person.
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) age: i64,
    pub(crate) height: f64,
    /// Milliseconds since 1970, at midnight.
    pub(crate) born_ms: i64,
    pub(crate) is_active: bool,
    pub(crate) score: i64,
    /// Somebody who comes before; the first has none.
    pub(crate) friend: Option<i64>,
}

/// The person of an id, from 1.
pub(crate) fn person(id: i64) -> Person {
    let mut state = id as u64;
    // Vigna's splitmix64.
    let mut below = |bound: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    };
    let name = NAMES[below(NAMES.len() as u64) as usize];
    let last_name = LAST_NAMES[below(LAST_NAMES.len() as u64) as usize];
    // An odd factor permutes the numbers of 32 bits: unique, in no order.
    let unique = (id as u32).wrapping_mul(0x9e37_79b1);
    Person {
        id,
        email: format!("{name}.{last_name}.{unique:08x}@example.org").to_lowercase(),
        name,
        last_name,
        age: below(100) as i64,
        height: (140 + below(70)) as f64 / 100.0,
        born_ms: below(20_000) as i64 * 86_400_000,
        is_active: below(4) > 0,
        score: below(1_000_000) as i64,
        friend: (id > 1).then(|| 1 + below(id as u64 - 1) as i64),
    }
}

impl Person {
    /// As transaction data, the entity called like the person.
    pub(crate) fn form(&self) -> Value {
        let id = Value::keyword("db/id");
        let mut entries = vec![(id, Value::Long(self.id))];
        entries.extend(self.values());
        Value::map(entries)
    }

    /// Its attributes.
    pub(crate) fn values(&self) -> Vec<(Value, Value)> {
        let mut entries = vec![
            ("person/id", Value::Long(self.id)),
            ("person/email", Value::str(&self.email)),
            ("person/name", Value::str(self.name)),
            ("person/last-name", Value::str(self.last_name)),
            ("person/age", Value::Long(self.age)),
            ("person/height", Value::Double(self.height)),
            ("person/born", Value::Instant(self.born_ms)),
            ("person/active", Value::Bool(self.is_active)),
            ("person/score", Value::Long(self.score)),
        ];
        entries.extend(
            self.friend
                .map(|friend| ("person/friend", Value::Long(friend))),
        );
        let entries = entries.into_iter();
        entries
            .map(|(name, value)| (Value::keyword(name), value))
            .collect()
    }

    /// The day of birth, as in `1999-12-31`.
    fn born(&self) -> String {
        let shown = Value::Instant(self.born_ms).to_string();
        shown
            .trim_start_matches("#inst \"")
            .chars()
            .take(10)
            .collect()
    }
}

/// What the attributes are: two unique, one a reference.
pub(crate) fn schema() -> Value {
    let attributes = [
        ("id", "long", Some("identity")),
        ("email", "string", Some("value")),
        ("name", "string", None),
        ("last-name", "string", None),
        ("age", "long", None),
        ("height", "double", None),
        ("born", "instant", None),
        ("active", "boolean", None),
        ("score", "long", None),
        ("friend", "ref", None),
    ];
    let keyword = |namespace: &str, name: &str| Value::keyword(&format!("{namespace}/{name}"));
    let attributes = attributes.iter().zip(SCHEMA_ENTITIES..);
    Value::vector(attributes.map(|((name, value_type, unique), e)| {
        let mut entries = vec![
            (Value::keyword("db/id"), Value::Long(e)),
            (Value::keyword("db/ident"), keyword("person", name)),
            (
                Value::keyword("db/valueType"),
                keyword("db.type", value_type),
            ),
            (
                Value::keyword("db/cardinality"),
                Value::keyword("db.cardinality/one"),
            ),
        ];
        entries.extend(
            unique.map(|unique| (Value::keyword("db/unique"), keyword("db.unique", unique))),
        );
        Value::map(entries)
    }))
}

/// The columns of [`write_csv`], with the types DuckDB gives them.
pub(crate) const COLUMNS: [(&str, &str); 10] = [
    ("id", "BIGINT"),
    ("email", "VARCHAR"),
    ("name", "VARCHAR"),
    ("last-name", "VARCHAR"),
    ("age", "BIGINT"),
    ("height", "DOUBLE"),
    ("born", "TIMESTAMP"),
    ("active", "BOOLEAN"),
    ("score", "BIGINT"),
    ("friend", "BIGINT"),
];

/// The first people of the crowd as CSV.
pub(crate) fn write_csv(out: &mut impl Write, people: i64) -> io::Result<()> {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    writeln!(out, "{}", names.join(","))?;
    for person in (1..=people).map(person) {
        let friend = person.friend.map(|id| id.to_string()).unwrap_or_default();
        let born = person.born();
        let Person {
            id,
            email,
            name,
            last_name,
            age,
            height,
            is_active,
            score,
            ..
        } = person;
        writeln!(
            out,
            "{id},{email},{name},{last_name},{age},{height:.2},{born},{is_active},{score},{friend}"
        )?;
    }
    Ok(())
}
