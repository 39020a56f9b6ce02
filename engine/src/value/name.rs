//! Keywords and symbols: a name, perhaps within a namespace.

use std::fmt;
use std::sync::Arc;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// From its text, `ns/name` or `name`.
            pub fn new(text: &str) -> $name {
                $name(Arc::from(text))
            }

            /// The whole text, `ns/name` or `name`.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The part before the first slash, if there is one.
            pub fn namespace(&self) -> Option<&str> {
                split(&self.0).0
            }

            /// The part after the first slash, or all.
            pub fn name(&self) -> &str {
                split(&self.0).1
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name::new(text)
            }
        }
    };
}

name_type! {
    /// A keyword, without its colon.
    Keyword
}
name_type! {
    /// A symbol.
    Symbol
}

fn split(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            (Some(namespace), name)
        }
        _ => (None, text),
    }
}

impl Keyword {
    /// For `:ns/_name` the forward keyword `:ns/name`; none for a forward keyword.
    pub fn unreversed(&self) -> Option<Keyword> {
        // Asked of every attribute of every entity: most are told apart by one look.
        if !self.as_str().as_bytes().contains(&b'_') {
            return None;
        }
        let name = self.name().strip_prefix('_')?;
        Some(match self.namespace() {
            Some(namespace) => Keyword::new(&format!("{namespace}/{name}")),
            None => Keyword::new(name),
        })
    }

    /// `:ns/_name` for `:ns/name`.
    pub fn reversed(&self) -> Keyword {
        match self.namespace() {
            Some(namespace) => Keyword::new(&format!("{namespace}/_{}", self.name())),
            None => Keyword::new(&format!("_{}", self.name())),
        }
    }
}

impl Symbol {
    /// Whether this is a query variable, `?x` or `ns/?x`.
    pub fn is_variable(&self) -> bool {
        self.name().starts_with('?')
    }

    /// Whether this names a source, `$` or `$name`.
    pub fn is_source(&self) -> bool {
        self.name().starts_with('$')
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
