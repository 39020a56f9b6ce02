//! What attributes and namespaces are called in SQL.

use std::collections::BTreeMap;

use datalith_engine::datom::AttrId;
use datalith_engine::schema::is_system_ident;
use datalith_engine::{Db, Value};

/// The column of entity ids of every table about entities.
pub(crate) const ENTITY: &str = "db_id";
/// The table of entities' attributes whose names have no namespace.
const PLAIN: &str = "entity";
/// Tables that every database value has.
const BUILT_IN: [(&str, TableName); 3] = [
    ("datoms", TableName::Datoms),
    ("transactions", TableName::Transactions),
    ("schema", TableName::Schema),
];

/// What a table is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableName {
    /// The attributes of a namespace, a row for each entity that has one of them.
    Wide(Vec<AttrId>),
    /// One attribute, a row for each of its datoms.
    Narrow(AttrId),
    /// Every datom.
    Datoms,
    /// Every transaction.
    Transactions,
    /// Every attribute.
    Schema,
}

/// The tables of a database value by name.
#[derive(Debug)]
pub(crate) struct Names {
    tables: BTreeMap<String, TableName>,
}

impl Names {
    /// A table for each namespace, `person`, and one for each attribute, `person_name`.
    ///
    /// Signs that SQL would want quoted become underscores. Where two want one name the later has
    /// underscores at its end.
    pub(crate) fn of(db: &Db) -> Names {
        let mut tables = BTreeMap::new();
        for (name, table) in BUILT_IN {
            tables.insert(name.to_owned(), table);
        }
        let attributes = user_attributes(db);
        let mut namespaces: BTreeMap<&str, Vec<AttrId>> = BTreeMap::new();
        for (a, ident) in &attributes {
            let (namespace, _) = parts(ident);
            namespaces
                .entry(namespace.unwrap_or(PLAIN))
                .or_default()
                .push(*a);
        }
        for (namespace, attributes) in namespaces {
            put(&mut tables, plain(namespace), TableName::Wide(attributes));
        }
        for (a, ident) in &attributes {
            put(&mut tables, plain(&text(ident)), TableName::Narrow(*a));
        }
        Names { tables }
    }

    /// Every name, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.tables.keys()
    }

    /// The table with a name; an attribute's ident without its colon is one too.
    pub(crate) fn table(&self, db: &Db, name: &str) -> Option<TableName> {
        if let Some(table) = self.tables.get(name) {
            return Some(table.clone());
        }
        let ident = name.strip_prefix(':').unwrap_or(name);
        db.attribute_named(ident)
            .filter(|a| db.attribute(*a).is_some() || db.index(*a).is_some())
            .map(TableName::Narrow)
    }
}

fn put(tables: &mut BTreeMap<String, TableName>, mut name: String, table: TableName) {
    while tables.contains_key(&name) {
        name.push('_');
    }
    tables.insert(name, table);
}

/// The attributes that users declared or used, in the order in which they came to be.
fn user_attributes(db: &Db) -> Vec<(AttrId, Value)> {
    let is_ours = |ident: &Value| is_system_ident(ident);
    let declared = db.schema().attributes();
    let mut all: Vec<(Option<i64>, AttrId, Value)> = declared
        .map(|attribute| {
            let entity = attribute.entity.map(|e| e.0);
            (entity, attribute.id, attribute.ident.clone())
        })
        .collect();
    let undeclared = db.attribute_ids().filter(|a| db.attribute(*a).is_none());
    all.extend(undeclared.map(|a| (None, a, db.ident(a).clone())));
    all.retain(|(_, _, ident)| !is_ours(ident));
    all.sort_by(|(e, _, a), (f, _, b)| {
        let last = |e: &Option<i64>| e.unwrap_or(i64::MAX);
        last(e).cmp(&last(f)).then_with(|| text(a).cmp(&text(b)))
    });
    all.into_iter().map(|(_, a, ident)| (a, ident)).collect()
}

/// Names for the columns of attributes of one namespace, each of them once.
pub(crate) fn columns<'i>(idents: impl IntoIterator<Item = &'i Value>) -> Vec<String> {
    let mut names: Vec<String> = vec![ENTITY.to_owned()];
    for ident in idents {
        let mut name = plain(parts(ident).1);
        while names.contains(&name) {
            name.push('_');
        }
        names.push(name);
    }
    names.split_off(1)
}

/// The text of an ident, without its colon.
pub(crate) fn text(ident: &Value) -> String {
    match ident {
        Value::Keyword(keyword) => keyword.as_str().to_owned(),
        Value::Str(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// The namespace and the name of an ident.
fn parts(ident: &Value) -> (Option<&str>, &str) {
    match ident {
        Value::Keyword(keyword) => (keyword.namespace(), keyword.name()),
        Value::Str(text) => (None, text),
        _ => (None, ""),
    }
}

/// A name that SQL reads without quotes, but for its capitals.
fn plain(name: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = name.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("_");
    match name.chars().next() {
        Some(first) if !first.is_ascii_digit() => name,
        _ => format!("_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quotes_and_differ() {
        let idents = ["first-name", "first_name", "active?", "2fa", "db-id"];
        let idents = idents.map(Value::keyword);
        let names = ["first_name", "first_name_", "active", "_2fa", "db_id_"];
        assert_eq!(columns(&idents), names);
    }
}
