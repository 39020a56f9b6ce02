//! What becomes of each column: its attribute, its type, and what the schema must learn first.

use std::sync::Arc;

use datalith_engine::db::Flexibility;
use datalith_engine::schema::{Attribute, ValueType};
use datalith_engine::{Db, Keyword, Value};

use super::cell::{Cell, wider};
use super::source::{Content, Row, Source};
use crate::cli::fault::Fault;
use crate::cli::file_arguments::Import;

/// Characters that would end a keyword.
const NO_NAME: &[char] = &[
    '(', ')', '[', ']', '{', '}', '"', ';', ',', '@', '^', '`', '~', '\\', '\'',
];

/// The column of entity ids in files that `export` wrote: of no use in another database.
pub(crate) const ID_COLUMN: &str = "db_id";
/// The share of values, one in so many, below which what a column looks like is left to few rows.
const FEW: usize = 20;

/// What becomes of the columns of one file.
pub(super) struct Plan {
    namespace: String,
    settings: Vec<Setting>,
    columns: Vec<Column>,
    /// The attributes of the columns that have one.
    attributes: Arc<[Value]>,
    /// Whether values that few rows have may be mistakes.
    doubts: bool,
}

/// What the arguments say of one column.
struct Setting {
    column: String,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    Rename(Keyword),
    Type(ValueType),
    Unique,
    Ref(Keyword),
    Many(String),
    Index,
    Skip,
}

enum Column {
    /// No row met so far has a value in it.
    Undecided,
    Skipped,
    Attribute(Target),
}

/// Where the cells of a column go.
#[derive(Debug)]
struct Target {
    ident: Value,
    /// Its place among the attributes.
    slot: usize,
    value_type: ValueType,
    is_many: bool,
    separator: Option<String>,
    /// The unique attribute that the cells are values of, and its type.
    refers: Option<(Value, ValueType)>,
}

impl Plan {
    /// From the arguments; `namespace` where they name none.
    pub(super) fn new(arguments: &Import, namespace: &str) -> Result<Plan, Fault> {
        let given = arguments.namespace.as_deref();
        Ok(Plan {
            namespace: name_of(given.unwrap_or(namespace)),
            settings: settings(arguments)?,
            columns: Vec::new(),
            attributes: Arc::default(),
            doubts: arguments.keep_going || arguments.rejects.is_some(),
        })
    }

    /// The attributes that rows have values of, in the order of the values.
    pub(super) fn attributes(&self) -> &Arc<[Value]> {
        &self.attributes
    }

    /// Whether a column is left out.
    pub(super) fn is_skipped(&self, name: &str) -> bool {
        let is_told = self
            .settings_of(name)
            .any(|says| matches!(says, Says::Skip));
        let is_renamed = self
            .settings_of(name)
            .any(|says| matches!(says, Says::Rename(_)));
        is_told || (name == ID_COLUMN && !is_renamed)
    }

    /// Refuses settings for columns that are not there.
    pub(super) fn check_names(&self, columns: &[String]) -> Result<(), Fault> {
        for setting in &self.settings {
            if !columns.iter().any(|column| self.is_about(setting, column)) {
                let columns = columns.join(", ");
                let name = &setting.column;
                return Err(Fault::Usage(format!(
                    "no column is named {name}; there are {columns}"
                )));
            }
        }
        Ok(())
    }

    /// Decides on columns that rows have values in for the first time; gives the schema to add.
    pub(super) fn learn(
        &mut self,
        source: &Source,
        rows: &[Row],
        db: &Db,
    ) -> Result<Vec<Value>, Fault> {
        let names = &source.columns;
        self.columns.resize_with(names.len(), || Column::Undecided);
        if self.columns.iter().all(|column| !column.is_undecided()) {
            return Ok(Vec::new());
        }
        let mut looks: Vec<Looks> = names.iter().map(|name| self.looks(name)).collect();
        let mut look = |at: usize, cell: &Cell<'_>| {
            if self.columns[at].is_undecided() {
                looks[at].add(cell);
            }
            Ok(())
        };
        for row in rows {
            if let Ok(content) = &row.content {
                // What cannot be read is told of when the row is.
                let _ = content.try_each(&mut look);
            }
        }
        let fixed = source.fixed.iter();
        let _ = fixed.into_iter().try_for_each(|(at, cell)| look(*at, cell));
        let mut schema = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let look = looks[at].chosen(self.doubts);
            if let (Column::Undecided, Some(look)) = (&self.columns[at], look) {
                let look = source.declared_type(at).unwrap_or(look);
                let (column, declared) = self.decide(name, look, looks[at].has_many, db)?;
                self.columns[at] = column;
                schema.extend(declared);
            }
        }
        self.number()?;
        Ok(schema)
    }

    fn looks(&self, name: &str) -> Looks {
        let separator = self.settings_of(name).find_map(|says| match says {
            Says::Many(separator) => Some(separator.clone()),
            _ => None,
        });
        Looks {
            separator,
            ..Looks::default()
        }
    }

    /// Gives each attribute its place.
    fn number(&mut self) -> Result<(), Fault> {
        let mut attributes = Vec::new();
        for column in &mut self.columns {
            let Column::Attribute(target) = column else {
                continue;
            };
            if attributes.contains(&target.ident) {
                return Err(Fault::Usage(format!(
                    "two columns become {}: --rename gives one another attribute, --skip leaves it out",
                    target.ident
                )));
            }
            target.slot = attributes.len();
            attributes.push(target.ident.clone());
        }
        self.attributes = attributes.into();
        Ok(())
    }

    /// The values of one row, one for each attribute, nil for none; or why there are none.
    pub(super) fn values(
        &self,
        content: &Content,
        source: &Source,
        out: &mut Vec<Value>,
    ) -> Result<(), String> {
        let start = out.len();
        out.resize(start + self.attributes.len(), Value::Nil);
        let mut put = |at: usize, cell: &Cell<'_>| {
            if let Column::Attribute(target) = &self.columns[at] {
                let value = match &target.separator {
                    Some(separator) => target.value(&cell.split(separator)),
                    None => target.value(cell),
                };
                let named = |message| format!("{}: {message}", source.columns[at]);
                out[start + target.slot] = value.map_err(named)?;
            }
            Ok(())
        };
        let mut fixed = source.fixed.iter();
        let fixed = fixed.try_for_each(|(at, cell)| put(*at, cell));
        let values = fixed.and_then(|()| content.try_each(put));
        if values.is_err() {
            out.truncate(start);
        }
        values
    }

    fn decide(
        &self,
        name: &str,
        look: ValueType,
        has_many: bool,
        db: &Db,
    ) -> Result<(Column, Option<Value>), Fault> {
        if self.is_skipped(name) {
            return Ok((Column::Skipped, None));
        }
        let ident = Value::Keyword(self.attribute_of(name));
        let known = db.schema().by_ident(&ident);
        let mut target = Target {
            ident,
            slot: 0,
            value_type: known
                .and_then(|attribute| attribute.value_type)
                .unwrap_or(look),
            is_many: has_many,
            separator: None,
            refers: None,
        };
        let (mut is_unique, mut is_indexed) = (false, false);
        for says in self.settings_of(name) {
            match says {
                Says::Type(value_type) => target.value_type = *value_type,
                Says::Ref(attribute) => {
                    target.value_type = ValueType::Ref;
                    target.refers = Some(referred(name, attribute, db)?);
                }
                Says::Many(separator) => {
                    target.is_many = true;
                    target.separator = Some(separator.clone());
                }
                Says::Unique => is_unique = true,
                Says::Index => is_indexed = true,
                Says::Rename(_) | Says::Skip => {}
            }
        }
        // The items of an array are one value.
        target.is_many &= !is_array(target.value_type);
        if let Some(known) = known {
            target.agree_with(known)?;
            return Ok((Column::Attribute(target), None));
        }
        if target.ident == Value::keyword("db/id") {
            target.value_type = ValueType::Long;
            return Ok((Column::Attribute(target), None));
        }
        let is_plain = !(is_unique || is_indexed || target.is_many) && target.refers.is_none();
        if is_plain && db.options().flexibility == Flexibility::Read {
            return Ok((Column::Attribute(target), None));
        }
        let declared = target.declaration(is_unique, is_indexed);
        Ok((Column::Attribute(target), Some(declared)))
    }

    fn settings_of<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Says> {
        let about = self
            .settings
            .iter()
            .filter(move |setting| self.is_about(setting, name));
        about.map(|setting| &setting.says)
    }

    fn is_about(&self, setting: &Setting, name: &str) -> bool {
        setting.column == name
            || setting.column.strip_prefix(':') == Some(self.attribute_of(name).as_str())
    }

    /// The attribute of a column: renamed, named in full, or its name in the namespace.
    fn attribute_of(&self, name: &str) -> Keyword {
        let renamed = self
            .settings
            .iter()
            .find_map(|setting| match &setting.says {
                Says::Rename(attribute) if setting.column == name => Some(attribute.clone()),
                _ => None,
            });
        renamed.unwrap_or_else(|| match name.strip_prefix(':') {
            Some(full) => Keyword::new(full),
            None if name.contains('/') || self.namespace.is_empty() => Keyword::new(&name_of(name)),
            None => Keyword::new(&format!("{}/{}", self.namespace, name_of(name))),
        })
    }
}

impl Column {
    fn is_undecided(&self) -> bool {
        matches!(self, Column::Undecided)
    }
}

/// What the cells of a column look like.
#[derive(Default)]
struct Looks {
    /// What stands between values, if one cell has several.
    separator: Option<String>,
    counts: Vec<(ValueType, usize)>,
    has_many: bool,
}

impl Looks {
    fn add(&mut self, cell: &Cell<'_>) {
        match &self.separator {
            Some(separator) => {
                let separator = separator.clone();
                self.count(&cell.split(&separator));
            }
            None => self.count(cell),
        }
    }

    fn count(&mut self, cell: &Cell<'_>) {
        self.has_many |= matches!(cell, Cell::Many(_));
        for look in cell.parts().iter().filter_map(Cell::looks_like) {
            match self.counts.iter_mut().find(|(known, _)| *known == look) {
                Some((_, count)) => *count += 1,
                None => self.counts.push((look, 1)),
            }
        }
    }

    /// The type that takes all, or with doubts all but what few look like.
    fn chosen(&self, doubts: bool) -> Option<ValueType> {
        let all: usize = self.counts.iter().map(|(_, count)| count).sum();
        let counted = self.counts.iter();
        let trusted = counted.filter(|(_, count)| !doubts || count * FEW > all);
        trusted.map(|(look, _)| *look).reduce(wider)
    }
}

impl Target {
    fn value(&self, cell: &Cell<'_>) -> Result<Value, String> {
        if is_array(self.value_type) {
            return cell.to_array(self.value_type);
        }
        if self.is_many {
            let values = cell.parts().iter().map(|part| self.scalar(part));
            return values.collect::<Result<Vec<_>, _>>().map(Value::from);
        }
        match cell {
            Cell::Many(parts) if parts.len() == 1 => self.scalar(&parts[0]),
            cell => self.scalar(cell),
        }
    }

    fn scalar(&self, cell: &Cell<'_>) -> Result<Value, String> {
        match &self.refers {
            Some((attribute, value_type)) => Ok(Value::vector([
                attribute.clone(),
                cell.to_value(*value_type)?,
            ])),
            None => cell.to_value(self.value_type),
        }
    }

    /// What the schema says already goes before what the file looks like.
    fn agree_with(&mut self, known: &Attribute) -> Result<(), Fault> {
        if let Some(value_type) = known.value_type.filter(|known| *known != self.value_type) {
            return Err(Fault::Failed(format!(
                "{} has the type {} in the database already, not {}",
                self.ident,
                value_type.ident(),
                self.value_type.ident()
            )));
        }
        self.is_many = known.is_many();
        Ok(())
    }

    fn declaration(&self, is_unique: bool, is_indexed: bool) -> Value {
        let cardinality = if self.is_many {
            "db.cardinality/many"
        } else {
            "db.cardinality/one"
        };
        let mut entries = vec![
            (Value::keyword("db/ident"), self.ident.clone()),
            (
                Value::keyword("db/valueType"),
                Value::keyword(self.value_type.ident()),
            ),
            (
                Value::keyword("db/cardinality"),
                Value::keyword(cardinality),
            ),
        ];
        if is_unique {
            entries.push((
                Value::keyword("db/unique"),
                Value::keyword("db.unique/identity"),
            ));
        }
        if is_indexed {
            entries.push((Value::keyword("db/index"), Value::Bool(true)));
        }
        Value::map(entries)
    }
}

fn is_array(value_type: ValueType) -> bool {
    matches!(value_type, ValueType::FloatArray | ValueType::DoubleArray)
}

/// A unique attribute that a column's cells are values of, with its type.
fn referred(name: &str, attribute: &Keyword, db: &Db) -> Result<(Value, ValueType), Fault> {
    let ident = Value::Keyword(attribute.clone());
    let known = db
        .schema()
        .by_ident(&ident)
        .filter(|known| known.unique.is_some());
    match known {
        Some(known) => Ok((ident, known.value_type.unwrap_or(ValueType::String))),
        None => Err(Fault::Usage(format!(
            "--ref {name}={ident}: the database has no unique attribute {ident}"
        ))),
    }
}

/// A header as the name of a keyword.
fn name_of(header: &str) -> String {
    header
        .trim()
        .replace(|c: char| c.is_whitespace() || NO_NAME.contains(&c), "-")
}

fn settings(arguments: &Import) -> Result<Vec<Setting>, Fault> {
    let mut settings = Vec::new();
    let mut add = |column: &str, says: Says| {
        settings.push(Setting {
            column: column.to_owned(),
            says,
        });
    };
    for given in &arguments.rename {
        let (column, attribute) = pair("--rename", given)?;
        add(column, Says::Rename(keyword(attribute)));
    }
    for given in &arguments.types {
        let (column, name) = pair("--type", given)?;
        let value_type =
            ValueType::from_ident(&format!("db.type/{}", name.trim_start_matches(":db.type/")));
        let unknown = || Fault::Usage(format!("--type {given}: there is no type {name}"));
        add(column, Says::Type(value_type.ok_or_else(unknown)?));
    }
    for given in &arguments.refs {
        let (column, attribute) = pair("--ref", given)?;
        add(column, Says::Ref(keyword(attribute)));
    }
    for given in &arguments.many {
        let (column, separator) = pair("--many", given)?;
        add(column, Says::Many(separator.to_owned()));
    }
    arguments
        .unique
        .iter()
        .for_each(|column| add(column, Says::Unique));
    arguments
        .index
        .iter()
        .for_each(|column| add(column, Says::Index));
    arguments
        .skip
        .iter()
        .for_each(|column| add(column, Says::Skip));
    Ok(settings)
}

fn pair<'a>(option: &str, given: &'a str) -> Result<(&'a str, &'a str), Fault> {
    let parts = given
        .split_once('=')
        .filter(|(column, value)| !column.is_empty() && !value.is_empty());
    parts.ok_or_else(|| Fault::Usage(format!("{option} {given}: expected COLUMN=…")))
}

fn keyword(text: &str) -> Keyword {
    Keyword::new(text.strip_prefix(':').unwrap_or(text))
}
