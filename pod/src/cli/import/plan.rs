//! What becomes of each column: its attribute, its type, and what the schema must learn first.

use std::path::Path;

use datalith_engine::db::Flexibility;
use datalith_engine::schema::{Attribute, ValueType};
use datalith_engine::{Db, Keyword, Value};

use super::cell::{Cell, wider};
use super::source::{Content, Row};
use crate::cli::arguments::Import;
use crate::cli::fault::Fault;

/// Characters that would end a keyword.
const NO_NAME: &[char] = &[
    '(', ')', '[', ']', '{', '}', '"', ';', ',', '@', '^', '`', '~', '\\', '\'',
];

/// What becomes of the columns of one file.
pub(super) struct Plan {
    namespace: String,
    settings: Vec<Setting>,
    columns: Vec<Column>,
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
    value_type: ValueType,
    is_many: bool,
    separator: Option<String>,
    /// The unique attribute that the cells are values of, and its type.
    refers: Option<(Value, ValueType)>,
}

impl Plan {
    /// From the arguments and the file's name.
    pub(super) fn new(arguments: &Import, file: &Path) -> Result<Plan, Fault> {
        let stem = file
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let namespace = arguments
            .namespace
            .clone()
            .or(stem.filter(|stem| stem != "-"));
        Ok(Plan {
            namespace: name_of(&namespace.unwrap_or_default()),
            settings: settings(arguments)?,
            columns: Vec::new(),
        })
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
        names: &[String],
        rows: &[Row],
        db: &Db,
    ) -> Result<Vec<Value>, Fault> {
        self.columns.resize_with(names.len(), || Column::Undecided);
        let mut looks: Vec<Option<ValueType>> = vec![None; names.len()];
        let mut has_many = vec![false; names.len()];
        for row in rows {
            let Ok(Content::Cells(cells)) = &row.content else {
                continue;
            };
            for (at, cell) in cells {
                if !matches!(self.columns[*at], Column::Undecided) {
                    continue;
                }
                let separator = self.settings_of(&names[*at]).find_map(|says| match says {
                    Says::Many(separator) => Some(separator.clone()),
                    _ => None,
                });
                let cell = separator.map_or_else(|| cell.clone(), |s| cell.clone().split(&s));
                has_many[*at] |= matches!(cell, Cell::Many(_));
                for part in cell.parts() {
                    let look = part.looks_like();
                    looks[*at] = match (looks[*at], look) {
                        (Some(a), Some(b)) => Some(wider(a, b)),
                        (a, b) => a.or(b),
                    };
                }
            }
        }
        let mut schema = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if let (Column::Undecided, Some(look)) = (&self.columns[at], looks[at]) {
                let (column, declared) = self.decide(name, look, has_many[at], db)?;
                self.columns[at] = column;
                schema.extend(declared);
            }
        }
        Ok(schema)
    }

    /// The map of one row.
    pub(super) fn form(
        &self,
        cells: Vec<(usize, Cell)>,
        names: &[String],
    ) -> Result<Value, String> {
        let mut entries = Vec::with_capacity(cells.len());
        for (at, cell) in cells {
            let Column::Attribute(target) = &self.columns[at] else {
                continue;
            };
            let cell = match &target.separator {
                Some(separator) => cell.split(separator),
                None => cell,
            };
            let value = target
                .value(&cell)
                .map_err(|message| format!("{}: {message}", names[at]))?;
            entries.push((target.ident.clone(), value));
        }
        Ok(Value::map(entries))
    }

    fn decide(
        &self,
        name: &str,
        look: ValueType,
        has_many: bool,
        db: &Db,
    ) -> Result<(Column, Option<Value>), Fault> {
        if self
            .settings_of(name)
            .any(|says| matches!(says, Says::Skip))
        {
            return Ok((Column::Skipped, None));
        }
        let ident = Value::Keyword(self.attribute_of(name));
        let known = db.schema().by_ident(&ident);
        let mut target = Target {
            ident,
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

impl Target {
    fn value(&self, cell: &Cell) -> Result<Value, String> {
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

    fn scalar(&self, cell: &Cell) -> Result<Value, String> {
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
