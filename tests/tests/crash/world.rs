//! What a branch must hold: a naive database of numbered entities, and which of several are possible.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use datalith_engine::datom::Datom;
use datalith_engine::db::Db;
use datalith_engine::{Index, Result, Value, datoms, edn};

/// What the databases of the crash tests are made of.
pub(super) const SCHEMA: &str = "[
 {:db/ident :k :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
 {:db/ident :v :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :tag :db/valueType :db.type/long :db/cardinality :db.cardinality/many :db/index true}]";

/// One change of a transaction.
#[derive(Clone, PartialEq)]
pub(super) enum Change {
    /// Says a text and a tag of the entity with this number, made if there is none.
    Put(i64, String, i64),
    /// Retracts the entity.
    Retract(i64),
    /// Purges the entity.
    Purge(i64),
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Put(k, text, tag) => write!(f, "put {k} {} {tag}", short(text)),
            Change::Retract(k) => write!(f, "retract {k}"),
            Change::Purge(k) => write!(f, "purge {k}"),
        }
    }
}

impl Change {
    fn form(&self) -> String {
        match self {
            Change::Put(k, text, tag) => format!("{{:k {k} :v {text:?} :tag {tag}}}"),
            Change::Retract(k) => format!("[:db/retractEntity [:k {k}]]"),
            Change::Purge(k) => format!("[:db.purge/entity [:k {k}]]"),
        }
    }
}

/// A text as the tests tell it: its start, and how long it is if the rest is what it must be.
fn short(text: &str) -> String {
    match text.split_once('-') {
        Some((start, rest)) if rest.bytes().all(|b| b == b'x') => format!("{start}-{}", rest.len()),
        _ => text.to_owned(),
    }
}

/// Transaction data of some changes.
pub(super) fn data(changes: &[Change]) -> Result<Value> {
    let forms: Vec<String> = changes.iter().map(Change::form).collect();
    edn::read(&format!("[{}]", forms.join(" ")))
}

/// What a database value shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// How many transactions it has seen.
    pub(super) t: i64,
    /// The text and tags of each number.
    pub(super) now: BTreeMap<i64, (String, BTreeSet<i64>)>,
    /// Every number with every text it ever had and nobody purged.
    pub(super) past: BTreeSet<(i64, String)>,
}

impl Contents {
    /// Reads everything, by each index.
    pub(super) fn of(db: &Db) -> std::result::Result<Contents, String> {
        let now = rows(db)?;
        let mut contents = Contents {
            t: db.max_tx().0 - datalith_engine::datom::TX0,
            ..Contents::default()
        };
        for (k, texts, tags) in now.into_values() {
            let (Some(k), [text]) = (k.first(), texts.as_slice()) else {
                return Err(format!("half an entity: {k:?} {texts:?} {tags:?}"));
            };
            let tags = tags.into_iter().collect();
            if contents.now.insert(*k, (text.clone(), tags)).is_some() {
                return Err(format!("two entities have the number {k}"));
            }
        }
        let history = db.history().map_err(|e| failure(&e))?;
        for (numbers, texts, _) in rows(&history)?.into_values() {
            let texts = texts.iter().cloned();
            let k = numbers.first().copied().unwrap_or(-1);
            contents.past.extend(texts.map(|text| (k, text)));
        }
        Ok(contents)
    }
}

type Rows = BTreeMap<i64, (Vec<i64>, Vec<String>, Vec<i64>)>;

/// The numbers, texts and tags of each entity, the same by every index.
fn rows(db: &Db) -> std::result::Result<Rows, String> {
    let of = |index, attribute: &[Value]| datoms(db, index, attribute).map_err(|e| failure(&e));
    let all = of(Index::Eavt, &[])?;
    for attribute in ["k", "v", "tag"].map(Value::keyword) {
        let attribute = std::slice::from_ref(&attribute);
        let own = all.iter().filter(|datom| datom.a == attribute[0]);
        let mut own: Vec<&Datom> = own.collect();
        same(&own, &of(Index::Aevt, attribute)?)?;
        if attribute[0] != Value::keyword("v") {
            own.sort_by_key(|datom| datom.v.as_long());
            same(&own, &of(Index::Avet, attribute)?)?;
        }
    }
    let mut rows = Rows::new();
    for datom in all {
        let (e, v) = (datom.e.0, &datom.v);
        match datom.a.as_keyword().map(|a| a.as_str()) {
            Some("k") => rows.entry(e).or_default().0.extend(v.as_long()),
            Some("v") => {
                let text = v.as_str().map(short);
                rows.entry(e).or_default().1.extend(text);
            }
            Some("tag") => rows.entry(e).or_default().2.extend(v.as_long()),
            _ => {}
        }
    }
    Ok(rows)
}

/// Whether two indexes hold the same datoms.
fn same(expected: &[&Datom], found: &[Datom]) -> std::result::Result<(), String> {
    match found.iter().eq(expected.iter().copied()) {
        true => Ok(()),
        false => Err(format!("the indexes part: {expected:?} and {found:?}")),
    }
}

/// An error as the tests tell it.
pub(super) fn failure(error: &datalith_engine::Error) -> String {
    format!("{:?}: {error}", error.code())
}

/// A naive database.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    t: i64,
    /// Which of `entities` has a number.
    by_number: BTreeMap<i64, usize>,
    entities: Vec<Entity>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Entity {
    text: String,
    tags: BTreeSet<i64>,
    past: BTreeSet<(i64, String)>,
}

impl State {
    /// The state after the schema.
    pub(super) fn with_schema() -> State {
        State {
            t: 1,
            ..State::default()
        }
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        self.by_number.keys().copied()
    }

    /// The state after a transaction; none if it must fail.
    pub(super) fn after(&self, changes: &[Change]) -> Option<State> {
        let mut next = self.clone();
        next.t += 1;
        for change in changes {
            match change {
                Change::Put(k, text, tag) => {
                    let at = *next.by_number.entry(*k).or_insert(next.entities.len());
                    if at == next.entities.len() {
                        next.entities.push(Entity::default());
                    }
                    let entity = &mut next.entities[at];
                    entity.text = short(text);
                    entity.tags.insert(*tag);
                    entity.past.insert((*k, short(text)));
                }
                // None there is fine.
                Change::Retract(k) => {
                    next.by_number.remove(k);
                }
                Change::Purge(k) => {
                    // Looked up in history: the first entity that ever had the number.
                    let had = |entity: &Entity| entity.past.iter().any(|(other, _)| other == k);
                    let at = next.entities.iter().position(had)?;
                    next.entities[at].past.clear();
                    if next.by_number.get(k) == Some(&at) {
                        next.by_number.remove(k);
                    }
                }
            }
        }
        Some(next)
    }

    pub(super) fn contents(&self) -> Contents {
        let entity = |at: usize| {
            (
                self.entities[at].text.clone(),
                self.entities[at].tags.clone(),
            )
        };
        let now = self.by_number.iter().map(|(k, at)| (*k, entity(*at)));
        let past = self.entities.iter().flat_map(|entity| entity.past.clone());
        Contents {
            t: self.t,
            now: now.collect(),
            past: past.collect(),
        }
    }
}

/// What a branch may be: none stands for no such branch.
#[derive(Clone, Debug)]
pub(super) struct Worlds {
    possible: Vec<Option<State>>,
    /// Changes whose answer was lost and which may yet come or go, until another one is made.
    late: Vec<Option<State>>,
    /// Whether its deletion is on its way, which may come whatever is done before.
    vanishes: bool,
}

impl Worlds {
    pub(super) fn only(state: Option<State>) -> Worlds {
        Worlds {
            possible: vec![state],
            late: Vec::new(),
            vanishes: false,
        }
    }

    /// Every state there may be.
    pub(super) fn states(&self) -> impl Iterator<Item = &Option<State>> {
        self.possible.iter()
    }

    /// Whether there may be such a branch.
    pub(super) fn may_exist(&self) -> bool {
        self.possible.iter().any(Option::is_some)
    }

    /// Something happened to each that was possible.
    pub(super) fn happened(&mut self, change: impl Fn(&State) -> Option<State>) {
        let after = self.possible.iter().flatten().filter_map(change);
        self.possible = after.map(Some).collect();
        self.late.clear();
    }

    /// The branch is one of these now.
    pub(super) fn became(&mut self, states: Vec<Option<State>>) {
        self.possible = states;
        self.late.clear();
    }

    /// Something happened, or not, or `late` will.
    pub(super) fn may_have_become(&mut self, states: Vec<Option<State>>, late: Late) {
        match late {
            Late::Never => {}
            Late::Comes => {
                self.vanishes |= states.contains(&None);
                self.late.extend(states.iter().cloned());
            }
            Late::Goes => self
                .late
                .extend(self.possible.iter().chain(&states).cloned()),
        }
        for state in states {
            if !self.possible.contains(&state) {
                self.possible.push(state);
            }
        }
    }

    /// What a branch turned out to be; an error tells what it must be.
    pub(super) fn saw(&mut self, found: Option<&Contents>) -> std::result::Result<(), String> {
        let is = |state: &Option<State>| state.as_ref().map(State::contents).as_ref() == found;
        if found.is_none() && self.vanishes {
            self.became(vec![None]);
            return Ok(());
        }
        if !self.possible.iter().any(is) {
            let must: Vec<_> = self
                .possible
                .iter()
                .map(|state| state.as_ref().map(State::contents))
                .collect();
            return Err(format!("found {found:?}, possible {must:?}"));
        }
        self.possible.retain(is);
        let late = self.late.iter().filter(|state| !is(state));
        self.possible.extend(late.cloned());
        Ok(())
    }

    /// What is there now stays: every process has died, and what was lost is lost.
    pub(super) fn settle(&mut self) {
        self.late.clear();
    }
}

/// Whether a change whose answer was lost may come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    Never,
    /// It may come: its put is on its way.
    Comes,
    /// It may go: it was written, and its sync has failed. Whoever reads it now reads what no disk
    /// may have; a later writer, or the crash, decides.
    Goes,
}
