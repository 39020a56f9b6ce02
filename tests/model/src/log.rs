//! Transactions and views, one datom at a time over a plain log.

use std::collections::{HashMap, HashSet};

use datalith_engine::{Value, edn};

use super::world::{Point, Step};

/// The transaction entity before the first.
pub(super) const TX0: i64 = 536_870_912;

/// `(e a v tx added)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fact {
    pub(super) e: i64,
    pub(super) a: Value,
    pub(super) v: Value,
    pub(super) tx: i64,
    pub(super) added: bool,
}

/// What is declared of an attribute.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    /// The type's name without `db.type/`; empty where none is declared.
    kind: String,
    many: bool,
    is_unique: bool,
    is_identity: bool,
}

/// A transaction, a view or a query that must be refused, and why.
#[derive(Clone, Debug)]
pub(super) struct Refused(pub(super) String);

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// Every datom there ever was, and those that are so.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) facts: Vec<Fact>,
    live: Vec<Fact>,
    declared: HashMap<Value, Declared>,
    instants: Vec<(i64, i64)>,
    attribute_refs: bool,
    keep_history: bool,
    is_open: bool,
    max_eid: i64,
    tx: i64,
}

/// A view: the datoms it shows, and how it reads names.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) facts: Vec<Fact>,
    pub(super) log: Log,
    /// The attributes that hold entities.
    pub(super) refs: HashSet<Value>,
}

impl Shown {
    fn new(facts: Vec<Fact>, log: &Log) -> Shown {
        Shown {
            facts,
            log: log.clone(),
            refs: log.references(),
        }
    }
}

fn keyword(text: &str) -> Value {
    Value::keyword(text)
}

impl Log {
    /// - `base`: the datoms of a new database.
    /// - `is_open`: attributes need no declaration.
    pub(super) fn new(
        base: Vec<Fact>,
        max_eid: i64,
        (attribute_refs, keep_history, is_open): (bool, bool, bool),
    ) -> Log {
        let (live, instants) = (base.clone(), Vec::new());
        let mut log = Log {
            facts: base,
            live,
            declared: HashMap::new(),
            instants,
            attribute_refs,
            keep_history,
            is_open,
            max_eid,
            tx: TX0,
        };
        if attribute_refs {
            log.instants.push((TX0, 0));
        }
        log.declare();
        log
    }

    /// One transaction at a time of the clock; refused, it leaves nothing.
    pub(super) fn transact(&mut self, forms: &[Value], now_ms: i64) -> Result<(), Refused> {
        let mut next = self.clone();
        next.tx += 1;
        let last = next.instants.last().map_or(i64::MIN, |(_, ms)| *ms);
        let instant = now_ms.max(last.saturating_add(1));
        if next.keep_history {
            next.instants.push((next.tx, instant));
            let at = next.name(&keyword("db/txInstant"));
            next.record(Fact {
                e: next.tx,
                a: at,
                v: Value::Instant(instant),
                tx: next.tx,
                added: true,
            });
        }
        let mut tempids = HashMap::new();
        for form in forms {
            next.form(form, &mut tempids)?;
        }
        next.declare();
        *self = next;
        Ok(())
    }

    fn form(&mut self, form: &Value, tempids: &mut HashMap<Value, i64>) -> Result<(), Refused> {
        if let Some(map) = form.as_map() {
            let e = self.entity_of_map(form, tempids)?;
            for (a, v) in map.iter().filter(|(a, _)| **a != keyword("db/id")) {
                let many = self.declared_as(a)?.many;
                match v {
                    Value::Vector(items) if many => {
                        items
                            .iter()
                            .try_for_each(|item| self.add(e, a, item, tempids))?;
                    }
                    one => self.add(e, a, one, tempids)?,
                }
            }
            return Ok(());
        }
        let parts = form.as_sequential().expect("forms are maps or vectors");
        let e = self.entity(&parts[1], tempids)?;
        match (
            parts[0].as_keyword().map_or("", |k| k.as_str()),
            &parts[2..],
        ) {
            ("db/add", [a, v]) => self.add(e, a, v, tempids),
            ("db/retract", [a, v]) => {
                let v = self.stored(a, v, tempids)?;
                let a = self.name(a);
                self.retract_where(|fact| fact.e == e && fact.a == a && fact.v == v);
                Ok(())
            }
            ("db/retract", [a]) => {
                let a = self.name(a);
                self.retract_where(|fact| fact.e == e && fact.a == a);
                Ok(())
            }
            ("db/retractEntity", []) => {
                let refs: HashSet<Value> = self.references();
                let points = |fact: &Fact| refs.contains(&fact.a) && fact.v == Value::Long(e);
                self.retract_where(|fact| fact.e == e || points(fact));
                Ok(())
            }
            _ => panic!("the generator makes no {form}"),
        }
    }

    fn entity_of_map(
        &mut self,
        form: &Value,
        tempids: &mut HashMap<Value, i64>,
    ) -> Result<i64, Refused> {
        let id = form.get("db/id").cloned();
        let mut found: Option<i64> = None;
        for (a, v) in form.as_map().into_iter().flatten() {
            if *a == keyword("db/id") || !self.declared_as(a)?.is_identity {
                continue;
            }
            let name = self.name(a);
            let holder = self
                .live
                .iter()
                .find(|fact| fact.a == name && fact.v == *v)
                .map(|fact| fact.e);
            match (found, holder) {
                (Some(one), Some(other)) if one != other => {
                    return refused("upsert to two entities");
                }
                _ => found = found.or(holder),
            }
        }
        let e = match (&id, found) {
            (Some(Value::Long(e)), Some(holder)) if *e != holder => {
                return refused("upsert conflict");
            }
            (Some(Value::Long(e)), _) => *e,
            (Some(temp), Some(holder)) => {
                if tempids
                    .insert(temp.clone(), holder)
                    .is_some_and(|before| before != holder)
                {
                    return refused("a tempid for two entities");
                }
                holder
            }
            (None, Some(holder)) => holder,
            (Some(temp), None) => self.entity(temp, tempids)?,
            (None, None) => self.fresh(),
        };
        self.max_eid = self.max_eid.max(e);
        Ok(e)
    }

    fn fresh(&mut self) -> i64 {
        self.max_eid += 1;
        self.max_eid
    }

    fn entity(&mut self, value: &Value, tempids: &mut HashMap<Value, i64>) -> Result<i64, Refused> {
        match value {
            Value::Str(_) => {
                if let Some(e) = tempids.get(value) {
                    return Ok(*e);
                }
                let e = self.fresh();
                tempids.insert(value.clone(), e);
                Ok(e)
            }
            _ => match entid(&self.live, self, value) {
                Some(e) => Ok(e),
                None => refused(format!("no entity {value}")),
            },
        }
    }

    /// The value as it is kept: refs as entity ids.
    fn stored(
        &mut self,
        a: &Value,
        v: &Value,
        tempids: &mut HashMap<Value, i64>,
    ) -> Result<Value, Refused> {
        let kind = self.declared_as(a)?.kind;
        let v = if kind == "ref" {
            Value::Long(self.entity(v, tempids)?)
        } else {
            v.clone()
        };
        if !self.is_open && !is_of_kind(&kind, &v) {
            return refused(format!("{v} is no {kind}"));
        }
        Ok(v)
    }

    fn add(
        &mut self,
        e: i64,
        a: &Value,
        v: &Value,
        tempids: &mut HashMap<Value, i64>,
    ) -> Result<(), Refused> {
        let declared = self.declared_as(a)?;
        let v = self.stored(a, v, tempids)?;
        let (a, tx) = (self.name(a), self.tx);
        if self
            .live
            .iter()
            .any(|fact| fact.e == e && fact.a == a && fact.v == v)
        {
            return Ok(());
        }
        if declared.is_unique && self.live.iter().any(|fact| fact.a == a && fact.v == v) {
            return refused(format!("{v} is taken"));
        }
        if !declared.many {
            self.retract_where(|fact| fact.e == e && fact.a == a);
        }
        self.record(Fact {
            e,
            a,
            v,
            tx,
            added: true,
        });
        Ok(())
    }

    fn record(&mut self, fact: Fact) {
        if fact.e < TX0 {
            self.max_eid = self.max_eid.max(fact.e);
        }
        self.live.push(fact.clone());
        self.facts.push(fact);
    }

    fn retract_where(&mut self, gone: impl Fn(&Fact) -> bool) {
        let (out, kept) = self.live.drain(..).partition(|fact| gone(fact));
        self.live = kept;
        for fact in out {
            self.facts.push(Fact {
                tx: self.tx,
                added: false,
                ..fact
            });
        }
    }

    /// An attribute as datoms name it.
    pub(super) fn name(&self, ident: &Value) -> Value {
        if !self.attribute_refs || matches!(ident, Value::Long(_)) {
            return ident.clone();
        }
        let is_ident = |fact: &&Fact| fact.v == *ident;
        self.live
            .iter()
            .find(is_ident)
            .map_or(ident.clone(), |fact| Value::Long(fact.e))
    }

    fn declared_as(&self, a: &Value) -> Result<Declared, Refused> {
        match self.declared.get(a) {
            Some(declared) => Ok(declared.clone()),
            None if self.is_open => Ok(Declared::default()),
            None => refused(format!("{a} is not declared")),
        }
    }

    /// The names of all attributes that hold entities.
    pub(super) fn references(&self) -> HashSet<Value> {
        let refs = self
            .declared
            .iter()
            .filter(|(_, declared)| declared.kind == "ref");
        refs.map(|(ident, _)| self.name(ident)).collect()
    }

    pub(super) fn is_identifying(&self, a: &Value) -> bool {
        self.declared
            .get(a)
            .is_some_and(|declared| declared.is_unique)
    }

    /// Reads the schema out of the datoms.
    fn declare(&mut self) {
        self.declared.clear();
        let built_in = "[[:db/ident keyword] [:db/valueType keyword] [:db/cardinality keyword] \
             [:db/unique keyword] [:db/index boolean] [:db/noHistory boolean] [:db/txInstant instant]]";
        let built_in = edn::read(built_in).expect("written above");
        for pair in built_in.as_sequential().unwrap_or_default() {
            let [ident, kind] = pair.as_sequential().unwrap_or_default() else {
                continue;
            };
            let is_unique = *ident == keyword("db/ident");
            let kind = kind.to_string();
            let declared = Declared {
                kind,
                many: false,
                is_unique,
                is_identity: is_unique,
            };
            self.declared.insert(ident.clone(), declared);
        }
        let ident = self.name(&keyword("db/ident"));
        let named: Vec<(i64, Value)> = self
            .live
            .iter()
            .filter(|f| f.a == ident)
            .map(|f| (f.e, f.v.clone()))
            .collect();
        let name_of = |e: &Value| {
            named
                .iter()
                .find(|(n, _)| Value::Long(*n) == *e)
                .map(|(_, v)| v.clone())
        };
        for (e, ident) in &named {
            let property = |key: &str| {
                let a = self.name(&keyword(key));
                let v = self
                    .live
                    .iter()
                    .find(|f| f.e == *e && f.a == a)
                    .map(|f| f.v.clone())?;
                Some(if matches!(v, Value::Long(_)) {
                    name_of(&v)?
                } else {
                    v
                })
            };
            let Some(kind) = property("db/valueType") else {
                continue;
            };
            let kind = match kind.as_keyword().map_or("", |k| k.name()) {
                // What the system says of attributes, it says by reference.
                "valueType" | "cardinality" | "unique" => "ref".to_owned(),
                kind => kind.to_owned(),
            };
            let many = property("db/cardinality") == Some(keyword("db.cardinality/many"));
            let unique = property("db/unique");
            let is_identity = unique == Some(keyword("db.unique/identity"));
            let declared = Declared {
                kind,
                many,
                is_unique: unique.is_some(),
                is_identity,
            };
            self.declared.insert(ident.clone(), declared);
        }
    }

    /// What a chain of views shows.
    pub(super) fn view(&self, steps: &[Step]) -> Result<Shown, Refused> {
        if !self.keep_history {
            if !steps.is_empty() {
                return refused("no history is kept");
            }
            return Ok(Shown::new(self.live.clone(), self));
        }
        let mut txs: HashSet<i64> = self.facts.iter().map(|fact| fact.tx).collect();
        let (mut since, mut history) = (HashSet::new(), false);
        for step in steps {
            match step {
                Step::History => history = true,
                Step::AsOf(point) => txs.retain(|tx| self.is_by(*tx, point)),
                Step::Since(point) => since.extend(
                    self.facts
                        .iter()
                        .map(|fact| fact.tx)
                        .filter(|tx| self.is_by(*tx, point)),
                ),
            }
        }
        let seen = self.facts.iter().filter(|fact| txs.contains(&fact.tx));
        let mut facts: Vec<Fact> = Vec::new();
        if history {
            facts.extend(seen.cloned());
            let mut known = HashSet::new();
            facts.retain(|fact| known.insert(fact.clone()));
        } else {
            for fact in seen {
                if fact.added {
                    facts.push(fact.clone());
                } else {
                    facts.retain(|old| (old.e, &old.a, &old.v) != (fact.e, &fact.a, &fact.v));
                }
            }
        }
        facts.retain(|fact| !since.contains(&fact.tx));
        Ok(Shown::new(facts, self))
    }

    fn is_by(&self, tx: i64, point: &Point) -> bool {
        match point {
            Point::Tx(last) => tx <= *last,
            Point::Instant(ms) => self.instants.iter().any(|(t, at)| *t == tx && at <= ms),
        }
    }
}

/// The entity a value names.
pub(super) fn entid(facts: &[Fact], log: &Log, value: &Value) -> Option<i64> {
    let holder = |a: &Value, v: &Value| {
        let a = log.name(a);
        facts
            .iter()
            .filter(|f| f.added && f.a == a && f.v == *v)
            .map(|f| f.e)
            .min()
    };
    match value {
        Value::Long(e) => Some(*e),
        Value::Keyword(_) => holder(&keyword("db/ident"), value),
        _ => match value.as_sequential()? {
            [a, v] if log.is_identifying(a) => holder(a, v),
            _ => None,
        },
    }
}

fn is_of_kind(kind: &str, v: &Value) -> bool {
    match kind {
        "ref" | "long" => matches!(v, Value::Long(_)),
        "string" => matches!(v, Value::Str(_)),
        "keyword" => matches!(v, Value::Keyword(_)),
        "boolean" => matches!(v, Value::Bool(_)),
        "double" => matches!(v, Value::Double(_)),
        "instant" => matches!(v, Value::Instant(_)),
        _ => true,
    }
}
