//! One attribute: what its values are and what the database promises about them.

use crate::datom::{AttrId, EntityId};
use crate::value::{Symbol, Value};

/// A declared attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// The dictionary id of its ident.
    pub id: AttrId,
    /// Its ident: a keyword, under schema-on-read perhaps a string.
    pub ident: Value,
    /// The entity that declares it; none for built-in attributes of a keyword database.
    pub entity: Option<EntityId>,
    /// What its values are; none where nothing was said.
    pub value_type: Option<ValueType>,
    /// How many values an entity may have.
    pub cardinality: Cardinality,
    /// Whether a value names at most one entity.
    pub unique: Option<Unique>,
    /// Whether `:db/index` is set.
    pub index: bool,
    /// Whether the entities it refers to are parts of the one that refers.
    pub component: bool,
    /// Whether superseded values are dropped.
    pub no_history: bool,
    /// How its tuples are made, for tuples.
    pub tuple: Option<TupleKind>,
    /// Most characters, bytes or elements; `Some(0)` lifts the limits of the database.
    pub max_length: Option<usize>,
    /// Predicates that every asserted value must satisfy.
    pub predicates: Vec<Symbol>,
    /// Whether its vectors are kept aside: datoms have the names of their contents
    /// (`:db.secondary/only`).
    pub aside: bool,
    /// The text that its vectors are made of, if they are.
    pub embedding: Option<Embedding>,
}

/// How the vectors of an attribute come from texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// `:db.embed/from`, the attribute that holds the texts.
    pub from: Value,
    /// `:db.embed/model`, where the model is.
    pub model: String,
    /// `:db.embed/identity`, the model that the vectors were made by, once there are some.
    pub identity: Option<String>,
}

impl Attribute {
    /// An attribute of which nothing but the name is known.
    pub fn new(id: AttrId, ident: Value) -> Attribute {
        Attribute {
            id,
            ident,
            entity: None,
            value_type: None,
            cardinality: Cardinality::One,
            unique: None,
            index: false,
            component: false,
            no_history: false,
            tuple: None,
            max_length: None,
            predicates: Vec::new(),
            aside: false,
            embedding: None,
        }
    }

    /// Whether its values are entities.
    pub fn is_ref(&self) -> bool {
        self.value_type == Some(ValueType::Ref)
    }

    /// Whether an entity may have several values.
    pub fn is_many(&self) -> bool {
        self.cardinality == Cardinality::Many
    }

    /// Whether its rows are kept by value too (Datahike's AVET): refs, unique and indexed ones.
    pub fn is_by_value(&self) -> bool {
        self.index || self.unique.is_some() || self.is_ref()
    }
}

/// How many values an entity may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// At most one.
    One,
    /// A set.
    Many,
}

/// What uniqueness means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// Names an entity; a map with a known value is about that entity.
    Identity,
    /// Names an entity; a second entity with it is refused.
    Value,
}

/// How the values of a tuple attribute come about.
#[derive(Clone, Debug, PartialEq)]
pub enum TupleKind {
    /// From other attributes of the entity, `:db/tupleAttrs`, by ident.
    Composite(Vec<Value>),
    /// Of these types, `:db/tupleTypes`.
    Heterogeneous(Vec<ValueType>),
    /// All of one type, `:db/tupleType`.
    Homogeneous(ValueType),
}

macro_rules! value_types {
    ($($(#[$doc:meta])* $name:ident $ident:literal;)*) => {
        /// What the values of an attribute are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ValueType { $($(#[$doc])* $name,)* }

        impl ValueType {
            /// Every type, in the order of the table.
            pub const ALL: &'static [ValueType] = &[$(ValueType::$name,)*];

            /// Its ident, without the colon.
            pub fn ident(self) -> &'static str {
                match self { $(ValueType::$name => $ident,)* }
            }

            /// The type with this ident (without the colon).
            pub fn from_ident(ident: &str) -> Option<ValueType> {
                match ident { $($ident => Some(ValueType::$name),)* _ => None }
            }
        }
    };
}

value_types! {
    /// A decimal.
    BigDec "db.type/bigdec";
    /// An integer of any size.
    BigInt "db.type/bigint";
    /// `true` or `false`.
    Boolean "db.type/boolean";
    /// Bytes.
    Bytes "db.type/bytes";
    /// Cardinality enum of the system schema.
    Cardinality "db.type/cardinality";
    /// A 64-bit float.
    Double "db.type/double";
    /// An array of 64-bit floats.
    DoubleArray "db.type/double-array";
    /// A float.
    Float "db.type/float";
    /// An array of 32-bit floats.
    FloatArray "db.type/float-array";
    /// Any number.
    Number "db.type/number";
    /// Milliseconds since 1970 UTC.
    Instant "db.type/instant";
    /// A keyword.
    Keyword "db.type/keyword";
    /// A 64-bit integer.
    Long "db.type/long";
    /// An entity.
    Ref "db.type/ref";
    /// A string.
    String "db.type/string";
    /// A UUID that names an object outside the database.
    StoreRef "db.type/store-ref";
    /// A symbol.
    Symbol "db.type/symbol";
    /// A tuple.
    Tuple "db.type/tuple";
    /// Uniqueness enum of the system schema.
    Unique "db.type/unique";
    /// A UUID.
    Uuid "db.type/uuid";
    /// Any value of the system schema.
    Value "db.type/value";
    /// Value type enum of the system schema.
    ValueType "db.type/valueType";
    /// Attribute installation of the system schema.
    Install "db.type.install/attribute";
}
