//! The air routes of the world, built into the binary, as transaction data.

use datalith_engine::{Code, Error, Result, Value};

/// What the database is to know of each attribute.
pub(super) const SCHEMA: &str = "\
[{:db/ident :continent/code :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
 {:db/ident :continent/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :country/code :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
 {:db/ident :country/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :airport/code :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
 {:db/ident :airport/icao :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :airport/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :airport/city :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :airport/region :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :airport/country :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
 {:db/ident :airport/continent :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
 {:db/ident :airport/runways :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :airport/longest-ft :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :airport/elevation-ft :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :airport/lat :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
 {:db/ident :airport/lon :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
 {:db/ident :route/from :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
 {:db/ident :route/to :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
 {:db/ident :route/miles :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

/// A file, and what its columns become.
pub(super) struct Table {
    /// What its rows are.
    pub(super) name: &'static str,
    text: &'static str,
    columns: &'static [(&'static str, Is)],
}

/// What a column's cells are.
#[derive(Clone, Copy)]
enum Is {
    Text,
    Long,
    Double,
    /// Values of this unique attribute.
    Of(&'static str),
}

/// The files in an order in which each refers to those before it.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "continents",
        text: include_str!("../../../data/air-routes/continents.csv"),
        columns: &[("continent/code", Is::Text), ("continent/name", Is::Text)],
    },
    Table {
        name: "countries",
        text: include_str!("../../../data/air-routes/countries.csv"),
        columns: &[("country/code", Is::Text), ("country/name", Is::Text)],
    },
    Table {
        name: "airports",
        text: include_str!("../../../data/air-routes/airports.csv"),
        columns: &[
            ("airport/code", Is::Text),
            ("airport/icao", Is::Text),
            ("airport/name", Is::Text),
            ("airport/city", Is::Text),
            ("airport/region", Is::Text),
            ("airport/country", Is::Of("country/code")),
            ("airport/continent", Is::Of("continent/code")),
            ("airport/runways", Is::Long),
            ("airport/longest-ft", Is::Long),
            ("airport/elevation-ft", Is::Long),
            ("airport/lat", Is::Double),
            ("airport/lon", Is::Double),
        ],
    },
    Table {
        name: "routes",
        text: include_str!("../../../data/air-routes/routes.csv"),
        columns: &[
            ("route/from", Is::Of("airport/code")),
            ("route/to", Is::Of("airport/code")),
            ("route/miles", Is::Long),
        ],
    },
];

impl Table {
    /// A map for each row.
    pub(super) fn maps(&self) -> Result<Vec<Value>> {
        let mut reader = csv::Reader::from_reader(self.text.as_bytes());
        let mut maps = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|cause| self.wrong(&cause.to_string()))?;
            let mut entries = Vec::with_capacity(self.columns.len());
            for (cell, (attribute, is)) in record.iter().zip(self.columns) {
                let value = is.value(cell).ok_or_else(|| self.wrong(cell))?;
                entries.push((Value::keyword(attribute), value));
            }
            maps.push(Value::map(entries));
        }
        Ok(maps)
    }

    fn wrong(&self, what: &str) -> Error {
        Error::new(
            Code::Internal,
            format!("the {} of the demo: {what}", self.name),
        )
    }
}

impl Is {
    fn value(self, cell: &str) -> Option<Value> {
        match self {
            Is::Text => Some(Value::str(cell)),
            Is::Long => cell.parse().ok().map(Value::Long),
            Is::Double => cell.parse().ok().map(Value::Double),
            Is::Of(attribute) => Some(Value::vector([Value::keyword(attribute), Value::str(cell)])),
        }
    }
}
