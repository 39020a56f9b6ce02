//! Texts to be near to: made vectors by the model that made those of the attribute.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::unsearchable;
use crate::db::Db;
use crate::embed::{self, TextModel};
use crate::error::{Code, Error, Result};
use crate::index::floats_of;
use crate::schema::Attribute;
use crate::value::Value;

/// The attribute whose vectors are made of what a name names: an attribute of texts, the attribute of
/// vectors itself, or an index.
fn embedded<'d>(db: &'d Db, name: &Value) -> Option<&'d Arc<Attribute>> {
    let schema = db.schema();
    let indexes = schema.secondary().iter();
    let mut index = indexes.filter(|index| name.as_keyword() == Some(&index.ident));
    if let Some(index) = index.next() {
        let attributes = index.attributes.iter();
        let mut attributes = attributes.filter_map(|ident| schema.by_ident(ident));
        return attributes.find(|attribute| attribute.embedding.is_some());
    }
    let is_it = |attribute: &&Arc<Attribute>| match &attribute.embedding {
        Some(embedding) => embedding.from == *name || attribute.ident == *name,
        None => false,
    };
    let mut all: Vec<&Arc<Attribute>> = schema.attributes().filter(is_it).collect();
    all.sort_by_key(|attribute| attribute.id);
    all.into_iter().next()
}

/// The numbers of a vector, or of one that is kept aside, by its name.
pub(crate) fn vector_in<'v>(db: &'v Db, vector: &'v Value) -> Option<Cow<'v, [f32]>> {
    match vector {
        Value::Str(_) => floats_of(db.dictionary(), db.dictionary().cell(vector)?),
        _ => vector.to_floats(),
    }
}

/// What is to be searched instead of a name, and the vector of a text there.
///
/// Fails with [`Code::QueryFunction`] where no vectors are made of texts there, with
/// [`Code::EmbedModel`] where the model is not the one that made them.
pub fn text_vector(db: &Db, name: &Value, text: &str) -> Result<(Value, Vec<f32>)> {
    let Some(attribute) = embedded(db, name) else {
        let message = format!(
            "no vectors are made of the texts of {name}: declare an attribute with \
             :db.embed/from {name} and :db.embed/model"
        );
        return Err(unsearchable(message).with("attribute", name.clone()));
    };
    let model = model_of(attribute)?;
    let vector = model.embed(&[text], &|_| ControlFlow::Continue(()))?;
    let is_index = attribute.ident != *name
        && attribute
            .embedding
            .as_ref()
            .is_some_and(|embedding| embedding.from != *name);
    let searched = if is_index { name } else { &attribute.ident };
    Ok((searched.clone(), vector))
}

/// The model that an attribute's vectors are made by.
///
/// Fails with [`Code::EmbedModel`] where it is not the one that they were made by before.
pub(crate) fn model_of(attribute: &Attribute) -> Result<Arc<dyn TextModel>> {
    let Some(embedding) = &attribute.embedding else {
        return Err(Error::new(
            Code::Internal,
            "an attribute is made of no texts",
        ));
    };
    let model = embed::model(&embedding.model)?;
    match &embedding.identity {
        Some(known) if known != model.identity() => {
            let message = format!(
                "the vectors of {} were made by another model than {}: make them again, as \
                 `[:db/retract {} :db.embed/identity …]` and an embedding of all texts do, or name the \
                 model they were made by",
                attribute.ident, embedding.model, attribute.ident
            );
            Err(Error::new(Code::EmbedModel, message)
                .with("attribute", attribute.ident.clone())
                .with("model", embedding.model.as_str())
                .with("expected", known.as_str())
                .with("got", model.identity()))
        }
        _ => Ok(model),
    }
}
