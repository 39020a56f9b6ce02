//! Vectors of texts, made where an attribute declares what they are made of.
//!
//! What is to be done follows from the datoms: a text that is younger than its vector, or has none. So
//! work that is cut short goes on where it was, and nothing is made twice. Vectors are ordinary
//! datoms, transacted by the batch on the condition that the texts are still what they were.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::database::Database;
use super::listen::Listeners;
use super::queue::Upon;
use crate::datom::EntityId;
use crate::db::Db;
use crate::embed::TextModel;
use crate::error::{Code, Error, Result};
use crate::fork;
use crate::index::{Kind, SortOrder};
use crate::limits::EMBED_TEXTS;
use crate::nearest::model_of;
use crate::schema::Attribute;
use crate::transact::{TxData, TxReport};
use crate::value::Value;

/// What is heard of texts that are made vectors.
#[derive(Clone, Debug)]
pub struct EmbedProgress {
    /// The attribute of the vectors.
    pub attribute: Value,
    /// Texts that are done.
    pub done: usize,
    /// Texts that there are to do.
    pub total: usize,
}

pub(super) type EmbedWatch<'w> = &'w (dyn Fn(EmbedProgress) -> ControlFlow<()> + Sync);

/// Most times that texts which change meanwhile are asked for again.
const ROUNDS: usize = 16;

impl Database {
    /// Makes the vectors that texts lack; how many those were.
    pub(super) fn embed_texts(&self, watch: EmbedWatch<'_>) -> Result<usize> {
        let mut made = 0;
        for attribute in embedded(&self.current()) {
            for _ in 0..ROUNDS {
                let db = self.current();
                let Some(attribute) = db.attribute(attribute.id) else {
                    break;
                };
                let to_do = ToDo::of(&db, attribute);
                if to_do.is_empty() {
                    break;
                }
                made += self.embed_some(attribute, &to_do, watch)?;
            }
        }
        Ok(made)
    }

    fn embed_some(
        &self,
        attribute: &Attribute,
        to_do: &ToDo,
        watch: EmbedWatch<'_>,
    ) -> Result<usize> {
        if !to_do.gone.is_empty() {
            let retract = |e: &i64| {
                let parts = ["db.fn/retractAttribute"].map(Value::keyword).into_iter();
                Value::vector(parts.chain([Value::Long(*e), attribute.ident.clone()]))
            };
            self.say(to_do.gone.iter().map(retract).collect())?;
        }
        if to_do.texts.is_empty() {
            return Ok(0);
        }
        let model = model_of(attribute)?;
        // Vectors of nobody knows whom are all made again before they are said to be this model's.
        if to_do.is_first {
            self.say_identity(attribute, &*model)?;
        }
        let threads = self.current().options().threads;
        let mut done = 0;
        for entities in to_do.texts.chunks(EMBED_TEXTS) {
            let batch = texts_of(&self.current(), attribute, entities);
            let texts: Vec<&str> = batch.iter().map(|(_, text)| &**text).collect();
            let heard = |now: usize| {
                watch(EmbedProgress {
                    attribute: attribute.ident.clone(),
                    done: done + now,
                    total: to_do.texts.len(),
                })
            };
            let rows = fork::on_threads(threads, None, || model.embed(&texts, &heard))?;
            if rows.len() != texts.len() * model.dim() {
                let message = format!("{} vectors were made of {} texts", rows.len(), texts.len());
                return Err(Error::new(Code::EmbedModel, message));
            }
            if !self.keep(attribute, &batch, &rows, model.dim())? {
                // A text has changed: what there is to do is worked out again.
                return Ok(done);
            }
            done += entities.len();
        }
        self.say_identity(attribute, &*model)?;
        Ok(done)
    }

    /// Transacts the vectors of some texts; false if one of the texts is no longer so.
    fn keep(
        &self,
        attribute: &Attribute,
        batch: &[(i64, String)],
        rows: &[f32],
        dim: usize,
    ) -> Result<bool> {
        let Some(embedding) = &attribute.embedding else {
            return Ok(true);
        };
        let db = self.current();
        let is_many = db
            .schema()
            .by_ident(&embedding.from)
            .is_some_and(|from| from.is_many());
        let mut forms = Vec::with_capacity(2 * batch.len());
        for ((e, text), row) in batch.iter().zip(rows.chunks_exact(dim)) {
            let e = Value::Long(*e);
            if !is_many {
                let text = Value::str(text);
                let parts = [embedding.from.clone(), text.clone(), text];
                let head = [Value::keyword("db/cas"), e.clone()];
                forms.push(Value::vector(head.into_iter().chain(parts)));
            }
            forms.push(Value::vector([
                Value::keyword("db/add"),
                e,
                attribute.ident.clone(),
                Value::FloatArray(row.into()),
            ]));
        }
        match self.say(forms) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Code::TransactCas => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn say_identity(&self, attribute: &Attribute, model: &dyn TextModel) -> Result<()> {
        let db = self.current();
        let now = db
            .attribute(attribute.id)
            .and_then(|a| a.embedding.as_ref());
        let known = now.and_then(|embedding| embedding.identity.as_deref());
        let (None, Some(EntityId(e))) = (known, attribute.entity) else {
            return Ok(());
        };
        let identity = Value::keyword("db.embed/identity");
        let form = [
            Value::keyword("db/add"),
            Value::Long(e),
            identity,
            model.identity().into(),
        ];
        self.say(vec![Value::vector(form)]).map(drop)
    }

    fn say(&self, forms: Vec<Value>) -> Result<TxReport> {
        let data = TxData::new(Value::from(forms));
        self.transact(&data, Upon::default(), &Arc::new(Listeners::default()))
    }
}

/// The attributes whose vectors are made of texts, by id.
pub(super) fn embedded(db: &Db) -> Vec<Arc<Attribute>> {
    let all = db.schema().attributes();
    let mut embedded: Vec<_> = all.filter(|a| a.embedding.is_some()).cloned().collect();
    embedded.sort_by_key(|attribute| attribute.id);
    embedded
}

/// The texts of some entities, those that still have one; several of one entity as lines.
fn texts_of(db: &Db, attribute: &Attribute, entities: &[i64]) -> Vec<(i64, String)> {
    let from = attribute.embedding.as_ref();
    let Some(from) = from.and_then(|embedding| db.attribute_id(&embedding.from)) else {
        return Vec::new();
    };
    let text = |&e: &i64| {
        let rows = db.rows_of(EntityId(e), from).into_iter();
        let texts = rows.filter_map(|row| match db.value(row.v) {
            Value::Str(text) => Some(text.to_string()),
            _ => None,
        });
        let texts: Vec<String> = texts.collect();
        (!texts.is_empty()).then(|| (e, texts.join("\n")))
    };
    entities.iter().filter_map(text).collect()
}

/// What an attribute lacks, by entity: the texts themselves are read by the batch.
#[derive(Default)]
struct ToDo {
    /// Entities with a text and no vector that is as young.
    texts: Vec<i64>,
    /// Entities that have a vector and no text.
    gone: Vec<i64>,
    /// Whether there are no vectors yet.
    is_first: bool,
}

impl ToDo {
    fn of(db: &Db, attribute: &Attribute) -> ToDo {
        let run = |ident: &Value| {
            let a = db.attribute_id(ident);
            a.and_then(|a| db.run(a, SortOrder::ByEntity))
        };
        let Some(embedding) = &attribute.embedding else {
            return ToDo::default();
        };
        let (texts, vectors) = (run(&embedding.from), run(&attribute.ident));
        let texts = texts.iter().flat_map(|run| run.rows());
        let texts = texts.filter(|row| row.v.kind == Kind::Str);
        let mut texts = texts.peekable();
        let mut vectors = vectors.iter().flat_map(|run| run.rows()).peekable();
        let mut to_do = ToDo {
            is_first: vectors.peek().is_none(),
            ..ToDo::default()
        };
        while let Some(text) = texts.next() {
            let (e, mut said) = (text.e, text.tx);
            while let Some(more) = texts.next_if(|row| row.e == e) {
                said = said.max(more.tx);
            }
            while let Some(row) = vectors.next_if(|row| row.e < e) {
                to_do.gone.push(row.e);
            }
            let mut made = None;
            while let Some(row) = vectors.next_if(|row| row.e == e) {
                made = made.max(Some(row.tx));
            }
            // Where no model is known to have made them, none has.
            if made < Some(said) || embedding.identity.is_none() {
                to_do.texts.push(e);
            }
        }
        to_do.gone.extend(vectors.map(|row| row.e));
        to_do.gone.dedup();
        to_do
    }

    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.gone.is_empty()
    }
}
