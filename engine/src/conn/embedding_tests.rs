//! Vectors follow the texts they are made of, by one model.

use std::ops::ControlFlow;
use std::sync::{Arc, Once};

use uuid::Uuid;

use crate::conn::{Config, Conn, TxData, create_database};
use crate::datom::TxId;
use crate::db::TimePoint;
use crate::edn;
use crate::embed::{self, TextModel, TextWatch};
use crate::error::{Code, Error, Result};
use crate::exec::{Input, QueryOptions, q};
use crate::value::Value;

/// How often each letter comes, from `a` on.
struct Letters(&'static str);

impl TextModel for Letters {
    fn identity(&self) -> &str {
        self.0
    }

    fn dim(&self) -> usize {
        26
    }

    fn embed(&self, texts: &[&str], watch: TextWatch<'_>) -> Result<Vec<f32>> {
        let mut rows = Vec::with_capacity(26 * texts.len());
        for (done, text) in texts.iter().enumerate() {
            let count = |letter: char| text.chars().filter(|c| *c == letter).count() as f32;
            rows.extend(('a'..='z').map(count));
            if watch(done + 1).is_break() {
                return Err(Error::new(Code::QueryCanceled, "ended"));
            }
        }
        Ok(rows)
    }
}

fn load_models() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        embed::install(Arc::new(|source| match source {
            "test:letters" => Ok(Arc::new(Letters("letters")) as Arc<dyn TextModel>),
            "test:others" => Ok(Arc::new(Letters("others")) as Arc<dyn TextModel>),
            other => {
                let message = format!("there is no model {other}");
                Err(Error::new(Code::EmbedModel, message))
            }
        }));
    });
}

/// - `kept`: what else is said of the attribute of vectors.
fn connected(id: u128, kept: &str) -> Conn {
    load_models();
    let config = Config::memory(Uuid::from_u128(id));
    create_database(&config).unwrap();
    let conn = Conn::connect(&config).unwrap();
    let schema = format!(
        "[{{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}}
          {{:db/ident :body :db/valueType :db.type/string :db/cardinality :db.cardinality/one}}
          {{:db/ident :vector :db/valueType :db.type/float-array :db/cardinality :db.cardinality/one
           :db.embed/from :body :db.embed/model \"test:letters\" {kept}}}
          {{:db/ident :idx/body :db.secondary/type :hnsw :db.secondary/attrs [:vector] :db.secondary/config {{:dim 26 :distance :cosine}}}}]",
    );
    transact(&conn, &schema);
    conn
}

fn transact(conn: &Conn, text: &str) -> i64 {
    let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
    conn.transact(&data).unwrap().db_after.max_tx().0
}

/// All texts have their vectors, whoever was first to see that they lacked them.
fn embed_all(conn: &Conn) {
    while conn.embed(&|_| ControlFlow::Continue(())).unwrap() > 0 {}
}

fn near(db: &crate::db::Db, text: &str) -> Result<String> {
    let query =
        "[:find [?n ...] :in $ ?t :where [(semantic $ :body ?t 2) [[?e ?d]]] [?e :name ?n]]";
    let inputs = [Input::Db(db.clone()), Input::Value(Value::str(text))];
    let answer = q(
        &edn::read(query).unwrap(),
        &inputs,
        &QueryOptions::default(),
    )?;
    let mut names: Vec<String> = answer
        .to_value()
        .as_sequential()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    names.sort();
    Ok(names.join(" "))
}

#[test]
fn vectors_follow_their_texts() {
    follow_their_texts(0xE0BED, "");
    follow_their_texts(0xE0BEF, ":db.secondary/only true");
}

fn follow_their_texts(id: u128, kept: &str) {
    let conn = connected(id, kept);
    transact(
        &conn,
        "[{:name \"1\" :body \"aaaa\"} {:name \"2\" :body \"aab\"} {:name \"3\" :body \"zzz\"} {:name \"4\" :body \"zy\"}]",
    );
    embed_all(&conn);
    let then = conn.db().unwrap();
    assert_eq!(near(&then, "a").unwrap(), "\"1\" \"2\"");
    let tx = transact(
        &conn,
        "[[:db/add [:name \"1\"] :body \"zzzz\"] [:db/retract [:name \"4\"] :body \"zy\"]]",
    );
    embed_all(&conn);
    let now = conn.db().unwrap();
    assert_eq!(near(&now, "z").unwrap(), "\"1\" \"3\"");
    assert_eq!(
        near(&now.as_of(TimePoint::Tx(TxId(tx - 1))).unwrap(), "a").unwrap(),
        "\"1\" \"2\""
    );
    assert_eq!(
        near(&now, "y").unwrap().len(),
        7,
        "what has no text has no vector: two others are found"
    );
    conn.release();
}

#[test]
fn vectors_of_two_models_are_not_mixed() {
    let conn = connected(0xE0BEE, "");
    transact(
        &conn,
        "[{:name \"1\" :body \"aaaa\"} {:name \"2\" :body \"b\"}]",
    );
    embed_all(&conn);
    transact(
        &conn,
        "[{:db/ident :vector :db.embed/model \"test:others\"} {:name \"3\" :body \"c\"}]",
    );
    let error = near(&conn.db().unwrap(), "a").unwrap_err();
    assert_eq!(error.code(), Code::EmbedModel);
    assert!(error.message().contains("another model"), "{error}");
    let error = conn.embed(&|_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.code(), Code::EmbedModel);
    transact(
        &conn,
        "[[:db/retract :vector :db.embed/identity \"letters\"]]",
    );
    embed_all(&conn);
    assert_eq!(near(&conn.db().unwrap(), "c").unwrap().len(), 7);
    transact(
        &conn,
        "[{:db/ident :vector :db.embed/model \"test:nowhere\"}]",
    );
    let error = near(&conn.db().unwrap(), "a").unwrap_err();
    assert!(error.message().contains("no model"), "{error}");
    conn.release();
}
