//! A pull pattern as the walk wants it.

use crate::limits::PULL_VALUES;
use crate::query::pull::{Attribute, Limit, Nested, Pattern};
use crate::value::Value;

/// What to return of an entity.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Every attribute the entity has; then `specs` say how, and only backward ones add to it.
    pub(super) wildcard: bool,
    pub(super) specs: Vec<Spec>,
    /// Of a wildcard: its backward attributes alone.
    pub(super) backward: Option<Box<Shape>>,
}

/// One attribute.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// The forward name: a keyword or a string.
    pub(super) name: Value,
    pub(super) reverse: bool,
    /// Where it goes in the result.
    pub(super) key: Value,
    /// Most values.
    pub(super) limit: usize,
    pub(super) default: Option<Value>,
    pub(super) below: Below,
}

/// What to return of the entities an attribute refers to.
#[derive(Clone, Debug)]
pub(super) enum Below {
    /// Their ids, or all of them if they are components.
    Default,
    /// This.
    Shape(Shape),
    /// The same again, so many levels down, or as deep as there are new entities.
    Again(Option<usize>),
}

impl Shape {
    pub(super) fn new(pattern: Pattern) -> Shape {
        let specs: Vec<Spec> = pattern.attributes.into_iter().map(Spec::new).collect();
        let backward = specs
            .iter()
            .filter(|spec| spec.reverse)
            .cloned()
            .collect::<Vec<_>>();
        let has_backward = pattern.wildcard && !backward.is_empty();
        Shape {
            wildcard: pattern.wildcard,
            specs,
            backward: has_backward.then(|| {
                Box::new(Shape {
                    wildcard: false,
                    specs: backward,
                    backward: None,
                })
            }),
        }
    }

    /// Everything, as a component is returned.
    pub(super) fn everything() -> Shape {
        Shape {
            wildcard: true,
            specs: Vec::new(),
            backward: None,
        }
    }

    /// How to return a forward attribute.
    pub(super) fn spec(&self, name: &Value) -> Option<&Spec> {
        self.specs
            .iter()
            .find(|spec| !spec.reverse && spec.name == *name)
    }
}

impl Spec {
    fn new(attribute: Attribute) -> Spec {
        Spec {
            name: attribute.name,
            reverse: attribute.reverse,
            key: attribute.key,
            limit: match attribute.limit {
                Limit::Default => PULL_VALUES,
                Limit::Unlimited => usize::MAX,
                Limit::Count(count) => count,
            },
            default: attribute.default,
            below: match attribute.nested {
                Nested::None => Below::Default,
                Nested::Pattern(pattern) => Below::Shape(Shape::new(pattern)),
                Nested::Levels(levels) => Below::Again(Some(levels)),
                Nested::Unbounded => Below::Again(None),
            },
        }
    }

    /// Whether it asks for the entity's own id.
    pub(super) fn is_id(&self) -> bool {
        self.name == Value::keyword("db/id")
    }
}
