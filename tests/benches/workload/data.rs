//! The data of the workloads, as transactions: people, rule graphs, departments, Debian's packages.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use datalith_engine::Value;

use crate::python::Random;

/// Schema and data of one suite.
pub(crate) struct Suite {
    pub(crate) schema: Vec<Value>,
    /// One transaction each.
    pub(crate) transactions: Vec<Vec<Value>>,
}

impl Suite {
    /// The schema as the first transaction, then the data.
    pub(crate) fn transactions_with_schema(&self) -> Vec<Vec<Value>> {
        std::iter::once(self.schema.clone())
            .chain(self.transactions.iter().cloned())
            .collect()
    }
}

/// Entities of one transaction.
const BATCH: usize = 20_000;

fn key(text: &str) -> Value {
    Value::keyword(text)
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::map(entries.into_iter().map(|(name, value)| (key(name), value)))
}

fn attribute(ident: &str, value_type: &str, options: &[(&str, Value)]) -> Value {
    let mut entries = vec![
        ("db/ident", key(ident)),
        ("db/valueType", key(&format!("db.type/{value_type}"))),
        ("db/cardinality", key("db.cardinality/one")),
    ];
    entries.extend(options.iter().map(|(name, value)| (*name, value.clone())));
    map(entries)
}

fn indexed() -> [(&'static str, Value); 1] {
    [("db/index", Value::Bool(true))]
}

fn many() -> [(&'static str, Value); 1] {
    [("db/cardinality", key("db.cardinality/many"))]
}

fn batches(entities: Vec<Value>) -> Vec<Vec<Value>> {
    entities.chunks(BATCH).map(<[Value]>::to_vec).collect()
}

/// 20,000 people, and the ages that 2,000 of them get later.
pub(crate) fn people() -> (Suite, Vec<Value>) {
    const NAMES: [&str; 8] = [
        "Ivan", "Petr", "Sergei", "Oleg", "Yuri", "Dmitry", "Fedor", "Denis",
    ];
    const LAST: [&str; 6] = [
        "Ivanov",
        "Petrov",
        "Sidorov",
        "Kovalev",
        "Kuznetsov",
        "Voronoi",
    ];
    const COUNT: u32 = 20_000;
    let mut random = Random::new(20_260_822);
    let mut people: Vec<Vec<(&str, Value)>> = (1..=COUNT)
        .map(|id| {
            vec![
                ("db/id", Value::Long(i64::from(id))),
                ("name", Value::str(NAMES[random.below(8) as usize])),
                ("last-name", Value::str(LAST[random.below(6) as usize])),
                ("sex", key(["male", "female"][random.below(2) as usize])),
                ("age", Value::Long(i64::from(random.below(100)))),
                ("salary", Value::Long(i64::from(random.below(100_000)))),
            ]
        })
        .collect();
    for person in &mut people {
        if random.unit() < 0.5 {
            person.push(("follows", Value::Long(1 + i64::from(random.below(COUNT)))));
        }
    }
    let ages = (1..=2000).map(|id| {
        let age = 100 + i64::from(random.below(50));
        map(vec![("db/id", Value::Long(id)), ("age", Value::Long(age))])
    });
    let ages = ages.collect();
    let schema = vec![
        attribute("name", "string", &indexed()),
        attribute("last-name", "string", &indexed()),
        attribute("sex", "keyword", &indexed()),
        attribute("age", "long", &indexed()),
        attribute("salary", "long", &indexed()),
        attribute("follows", "ref", &many()),
    ];
    // The schema's own entities must not take the ids of people.
    let schema = shifted(schema, 1_000_000);
    (
        Suite {
            schema,
            transactions: batches(people.into_iter().map(map).collect()),
        },
        ages,
    )
}

fn shifted(schema: Vec<Value>, first: i64) -> Vec<Value> {
    let with_id = |(at, attribute): (usize, Value)| {
        let entries = attribute.as_map().expect("attributes are maps").clone();
        let id = (key("db/id"), Value::Long(first + at as i64));
        Value::map(std::iter::once(id).chain(entries))
    };
    schema.into_iter().enumerate().map(with_id).collect()
}

/// A tree of that depth and width, or chains, as `:follows` edges.
pub(crate) fn graph(name: &str) -> Suite {
    let (shape, size) = name.split_once('-').expect("shape and size");
    let (depth, width) = size.split_once('x').expect("depth and width");
    let (depth, width): (i64, i64) = (depth.parse().expect("depth"), width.parse().expect("width"));
    let mut edges = Vec::new();
    if shape == "wide" {
        grow(1, depth, width, &mut edges);
    } else {
        for chain in 0..width {
            let links = (0..depth).map(|link| chain * (depth + 1) + link);
            edges.extend(links.map(|a| (a, a + 1)));
        }
    }
    let edge = |(a, b): (i64, i64)| {
        Value::vector([
            key("db/add"),
            Value::Long(a + 1),
            key("follows"),
            Value::Long(b + 1),
        ])
    };
    Suite {
        schema: shifted(vec![attribute("follows", "ref", &many())], 1_000_000),
        transactions: vec![edges.into_iter().map(edge).collect()],
    }
}

fn grow(id: i64, depth: i64, width: i64, edges: &mut Vec<(i64, i64)>) {
    for child in (0..width).map(|k| id * width + k).filter(|_| depth > 0) {
        edges.push((id, child));
        grow(child, depth - 1, width, edges);
    }
}

/// Divisions, departments and 20,000 people in them.
pub(crate) fn departments() -> Suite {
    let named = |at: i64, name: (&'static str, String)| {
        vec![("db/id", Value::Long(at)), (name.0, Value::from(name.1))]
    };
    let mut entities = Vec::new();
    for i in 0..10 {
        entities.push(map(named(1 + i, ("div/name", format!("div-{i}")))));
    }
    for i in 0..100 {
        let mut department = named(11 + i, ("d/name", format!("dept-{i}")));
        department.push(("d/budget", Value::Long(i * 5000)));
        department.push(("d/div", Value::Long(1 + i % 10)));
        entities.push(map(department));
    }
    let mut salaries = JavaRandom::new(42);
    for i in 0..20_000 {
        let mut person = named(111 + i, ("p/name", format!("p-{i}")));
        person.push(("p/salary", Value::Long(30_000 + salaries.below(70_000))));
        person.push(("p/dept", Value::Long(11 + i % 100)));
        entities.push(map(person));
    }
    let schema = vec![
        attribute("p/name", "string", &[]),
        attribute("p/dept", "ref", &indexed()),
        attribute("p/salary", "long", &indexed()),
        attribute("d/name", "string", &[]),
        attribute("d/budget", "long", &indexed()),
        attribute("d/div", "ref", &[]),
        attribute("div/name", "string", &[]),
    ];
    Suite {
        schema: shifted(schema, 1_000_000),
        transactions: batches(entities),
    }
}

/// `java.util.Random`, as its documentation defines it.
struct JavaRandom(u64);

impl JavaRandom {
    fn new(seed: u64) -> JavaRandom {
        JavaRandom((seed ^ 0x5_DEEC_E66D) & ((1 << 48) - 1))
    }

    fn below(&mut self, n: i64) -> i64 {
        loop {
            self.0 = (self.0.wrapping_mul(0x5_DEEC_E66D) + 0xB) & ((1 << 48) - 1);
            let bits = (self.0 >> 17) as i64;
            let value = bits % n;
            if bits - value + (n - 1) < 1 << 31 {
                return value;
            }
        }
    }
}

/// Debian's own package index, if this machine has one: packages and what they depend on.
pub(crate) fn debian() -> Option<Suite> {
    let text = debian_index()?;
    let mut packages: BTreeMap<&str, HashMap<&str, &str>> = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let lines = stanza.lines().filter(|line| !line.starts_with([' ', '\t']));
        let fields: HashMap<&str, &str> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(k, v)| (k, v.trim()))
            .collect();
        if let Some(name) = fields.get("Package") {
            packages.entry(name).or_insert(fields);
        }
    }
    let ids: HashMap<&str, i64> = packages
        .keys()
        .zip(1..)
        .map(|(name, id)| (*name, id))
        .collect();
    let entities = packages
        .iter()
        .map(|(name, fields)| package(name, fields, &ids))
        .collect();
    let unique = [("db/unique", key("db.unique/identity"))];
    let schema = vec![
        attribute("package/name", "string", &unique),
        attribute("package/version", "string", &[]),
        attribute("package/section", "string", &indexed()),
        attribute("package/priority", "string", &[]),
        attribute("package/maintainer", "string", &indexed()),
        attribute("package/installed-size", "long", &indexed()),
        attribute("package/description", "string", &[]),
        attribute("package/depends", "ref", &many()),
    ];
    Some(Suite {
        schema: shifted(schema, 1_000_000),
        transactions: batches(entities),
    })
}

fn package(name: &str, fields: &HashMap<&str, &str>, ids: &HashMap<&str, i64>) -> Value {
    let text = |field: &str| Value::str(fields.get(field).copied().unwrap_or_default());
    let size = fields
        .get("Installed-Size")
        .and_then(|size| size.parse().ok())
        .unwrap_or(0);
    let mut depends: Vec<i64> = Vec::new();
    for field in ["Pre-Depends", "Depends"] {
        for part in fields.get(field).copied().unwrap_or_default().split(',') {
            let plain = |name: &'_ str| -> Option<i64> {
                let end = name.find(|c: char| c.is_whitespace() || "(:[<".contains(c));
                ids.get(&name[..end.unwrap_or(name.len())]).copied()
            };
            if let Some(id) = part.split('|').find_map(|name| plain(name.trim()))
                && !depends.contains(&id)
            {
                depends.push(id);
            }
        }
    }
    let mut entries = vec![
        ("db/id", Value::Long(ids[name])),
        ("package/name", Value::str(name)),
        ("package/version", text("Version")),
        ("package/section", text("Section")),
        ("package/priority", text("Priority")),
        ("package/maintainer", text("Maintainer")),
        ("package/installed-size", Value::Long(size)),
        ("package/description", text("Description")),
    ];
    if !depends.is_empty() {
        entries.push((
            "package/depends",
            Value::vector(depends.into_iter().map(Value::Long)),
        ));
    }
    map(entries)
}

/// The text of the index: the file `DEBIAN_PACKAGES` names, else what apt has.
fn debian_index() -> Option<String> {
    if let Ok(path) = std::env::var("DEBIAN_PACKAGES") {
        return std::fs::read_to_string(path).ok();
    }
    let file = std::fs::read_dir("/var/lib/apt/lists")
        .ok()?
        .flatten()
        .find(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .contains("_dists_bookworm_main_binary-amd64_Packages")
        })?;
    let text = Command::new("/usr/lib/apt/apt-helper")
        .arg("cat-file")
        .arg(file.path())
        .output();
    String::from_utf8(text.ok()?.stdout).ok()
}
