//! Random programs: queries, rules and inputs for a world.

use super::generate::{Attribute, Kind, constant};
use super::log::TX0;
use super::rules::{RULES, branches};
use super::world::{Given, Point, Program, Random, Step};

/// A program being made.
pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    pub(super) attributes: &'a [Attribute],
    /// Variables that clauses bind, with their kinds.
    pub(super) vars: Vec<(String, Kind)>,
    inputs: Vec<(String, Given)>,
    has_rules: bool,
    has_other: bool,
    has_tuples: bool,
    wild: usize,
    locals: usize,
}

/// A query, its rules and its inputs.
pub fn program(random: &mut Random, attributes: &[Attribute], keep_history: bool) -> Program {
    let (has_rules, has_other, has_tuples) =
        (random.percent(45), random.percent(20), random.percent(15));
    let mut maker = Maker {
        random,
        attributes,
        vars: Vec::new(),
        inputs: Vec::new(),
        has_rules,
        has_other,
        has_tuples,
        wild: 0,
        locals: 0,
    };
    maker.sources(keep_history);
    maker.values();
    let mut clauses = if maker.random.percent(12) {
        maker.cycle()
    } else {
        let count = [1, 1, 2, 2, 3][maker.random.below(5)];
        (0..count).map(|_| maker.producer()).collect()
    };
    for _ in 0..[0, 0, 1, 1, 2][maker.random.below(5)] {
        let clause = maker.consumer();
        clauses.push(clause);
    }
    maker.random.shuffle(&mut clauses);
    let rules = if has_rules {
        branches(maker.random, attributes)
    } else {
        Vec::new()
    };
    let (find, beside, modifiers) = maker.find();
    Program {
        find,
        beside,
        inputs: maker.inputs,
        clauses,
        modifiers,
        rules,
    }
}

impl Maker<'_> {
    fn sources(&mut self, keep_history: bool) {
        let view = Given::Db(self.view(keep_history));
        self.inputs.push(("$".into(), view));
        if self.has_other {
            let view = Given::Db(self.view(keep_history));
            self.inputs.push(("$2".into(), view));
        }
        if self.has_tuples {
            let tuple = |it: &mut Self| {
                let kinds = [Kind::Entity, Kind::Long, Kind::Text];
                let width = if it.random.percent(90) { 3 } else { 2 };
                let items: Vec<String> = kinds[..width]
                    .iter()
                    .map(|k| constant(it.random, *k))
                    .collect();
                format!("[{}]", items.join(" "))
            };
            let tuples: Vec<String> = (0..self.random.below(6)).map(|_| tuple(self)).collect();
            self.inputs
                .push(("$c".into(), Given::Text(format!("[{}]", tuples.join(" ")))));
        }
        if self.has_rules {
            self.inputs.push(("%".into(), Given::Rules));
        }
    }

    fn view(&mut self, keep_history: bool) -> Vec<Step> {
        let count = if keep_history {
            [0, 0, 0, 1, 1, 1, 2, 3][self.random.below(8)]
        } else {
            0
        };
        let point = |it: &mut Self| match it.random.below(3) {
            0 => Point::Instant(1_000 * it.random.below(7) as i64 + 500),
            _ => Point::Tx(TX0 + it.random.below(7) as i64),
        };
        let step = |it: &mut Self| match it.random.below(3) {
            0 => Step::History,
            1 => Step::AsOf(point(it)),
            _ => Step::Since(point(it)),
        };
        (0..count).map(|_| step(self)).collect()
    }

    /// Values for `:in`, in every shape.
    fn values(&mut self) {
        for at in 0..[0, 0, 0, 1, 1, 2][self.random.below(6)] {
            let (kind, other) = (self.kind(), self.kind());
            let (a, b) = (format!("?in{at}"), format!("?on{at}"));
            let roll = self.random.below(6);
            let mut value = |kind| constant(self.random, kind);
            let (v, w) = (value(kind), value(kind));
            let (x, y) = (value(other), value(other));
            let (form, text) = match roll {
                0 | 1 => (a.clone(), v),
                2 => (format!("[{a} ...]"), format!("[{v} {w}]")),
                3 => (format!("[{a} {b}]"), format!("[{v} {x}]")),
                4 => (format!("[[{a} {b}]]"), format!("[[{v} {x}] [{w} {y}]]")),
                _ => (format!("[[_ {a}] ...]"), format!("[[1 {v}] [2 {w}]]")),
            };
            if form.contains(&b) {
                self.vars.push((b, other));
            }
            self.vars.push((a, kind));
            self.inputs.push((form, Given::Text(text)));
        }
    }

    fn kind(&mut self) -> Kind {
        *self.random.pick(&[
            Kind::Entity,
            Kind::Entity,
            Kind::Long,
            Kind::Text,
            Kind::Keyword,
            Kind::Double,
        ])
    }

    /// A variable of a kind, one that is there already more often than not.
    pub(super) fn var(&mut self, kind: Kind) -> String {
        let known: Vec<&String> = self
            .vars
            .iter()
            .filter(|(_, k)| *k == kind)
            .map(|(n, _)| n)
            .collect();
        if kind != Kind::Any && !known.is_empty() && self.random.percent(65) {
            return (*self.random.pick(&known)).clone();
        }
        let name = format!("?{}{}", format!("{kind:?}").to_lowercase(), self.vars.len());
        self.vars.push((name.clone(), kind));
        name
    }

    pub(super) fn source(&mut self) -> &'static str {
        if self.has_other && self.random.percent(40) {
            "$2 "
        } else {
            ""
        }
    }

    /// A pattern, a rule call or an alternative: binds variables.
    fn producer(&mut self) -> String {
        match self.random.below(20) {
            0..4 if self.has_rules => self.call(),
            4 => self.or(),
            5 => self.or_join(),
            6 if self.has_tuples => {
                let (e, n, s) = (
                    self.term(Kind::Entity),
                    self.term(Kind::Long),
                    self.term(Kind::Text),
                );
                if self.random.percent(80) {
                    format!("[$c {e} {n} {s}]")
                } else {
                    format!("[$c {e} {n}]")
                }
            }
            _ => {
                let source = self.source();
                self.pattern(source)
            }
        }
    }

    pub(super) fn term(&mut self, kind: Kind) -> String {
        match self.random.below(10) {
            0..9 => self.var(kind),
            9 if self.random.percent(60) => constant(self.random, kind),
            _ => "_".into(),
        }
    }

    fn pattern(&mut self, source: &str) -> String {
        let attribute = *self.random.pick(self.attributes);
        let e = self.e_term();
        let (a, v) = match self.random.below(12) {
            0 if self.wild == 0 => {
                self.wild += 1;
                (self.var(Kind::Attribute), self.var(Kind::Any))
            }
            1 if self.wild == 0 => {
                self.wild += 1;
                // Which numbers of other types a constant finds depends on the index.
                let kind = match attribute.kind {
                    Kind::Long | Kind::Double => Kind::Text,
                    kind => kind,
                };
                ("_".into(), constant(self.random, kind))
            }
            2 if self.random.percent(20) => (":nobody/has".into(), "_".into()),
            _ => (attribute.ident.to_owned(), self.term(attribute.kind)),
        };
        match self.random.below(24) {
            0 => format!("[{source}{e} {a}]"),
            1 | 2 => format!("[{source}{e} {a} {v} {}]", self.term(Kind::Tx)),
            3 => format!("[{source}{e} {a} {v} _ {}]", self.term(Kind::Added)),
            4 => format!(
                "[{source}{e} {a} {v} {} {}]",
                self.var(Kind::Tx),
                self.term(Kind::Added)
            ),
            _ => format!("[{source}{e} {a} {v}]"),
        }
    }

    fn e_term(&mut self) -> String {
        match self.random.below(40) {
            0 if self.attributes.iter().any(|a| a.ident == ":p/name") => "[:p/name \"a\"]".into(),
            1 => ":age".into(),
            _ => self.term(Kind::Entity),
        }
    }

    fn call(&mut self) -> String {
        let (name, arity) = *self.random.pick(&RULES);
        let args: Vec<String> = (0..arity).map(|_| self.term(Kind::Entity)).collect();
        let source = self.source();
        format!("({source}{name} {})", args.join(" "))
    }

    /// Alternatives over one or two variables, each of which binds them.
    fn or(&mut self) -> String {
        let (kind, vars) = self.joined();
        let (one, other) = (self.branch(&vars, kind), self.branch(&vars, kind));
        let source = self.source();
        format!("({source}or {one} {other})")
    }

    fn or_join(&mut self) -> String {
        let (kind, vars) = self.joined();
        let local = self.local();
        let one = self.branch(&vars, kind);
        let other = match self.random.below(3) {
            0 if self.has_rules => format!("(p {} {local})", vars[0]),
            _ => format!("[{} :friend {local}]", vars[0]),
        };
        let second = if vars.len() == 2 {
            self.binding(&vars[1], kind)
        } else {
            String::new()
        };
        let source = self.source();
        format!(
            "({source}or-join [{}] {one} (and {other} {second}))",
            vars.join(" ")
        )
    }

    /// The variables of an alternative: an entity, and perhaps a value of a kind.
    fn joined(&mut self) -> (Kind, Vec<String>) {
        let kind = self.random.pick(self.attributes).kind;
        let e = self.var(Kind::Entity);
        if self.random.percent(50) {
            return (kind, vec![e]);
        }
        let v = self.var(kind);
        if v == e {
            (kind, vec![e])
        } else {
            (kind, vec![e, v])
        }
    }

    fn branch(&mut self, vars: &[String], kind: Kind) -> String {
        let e = &vars[0];
        let ident = |it: &mut Self, kind| {
            let fitting: Vec<&Attribute> =
                it.attributes.iter().filter(|a| a.kind == kind).collect();
            it.random.pick(&fitting).ident
        };
        match vars.get(1) {
            Some(v) => {
                let a = ident(self, kind);
                format!("[{e} {a} {v}]")
            }
            None => match self.random.below(3) {
                0 if self.has_rules => format!("(r {e})"),
                1 => {
                    let a = ident(self, Kind::Entity);
                    format!("[_ {a} {e}]")
                }
                _ => {
                    let a = ident(self, kind);
                    let v = constant(self.random, kind);
                    format!("[{e} {a} {v}]")
                }
            },
        }
    }

    /// A clause that binds one variable of a kind to something.
    fn binding(&mut self, var: &str, kind: Kind) -> String {
        let values = (constant(self.random, kind), constant(self.random, kind));
        format!("[(ground [{} {}]) [{var} ...]]", values.0, values.1)
    }

    fn local(&mut self) -> String {
        self.locals += 1;
        format!("?local{}", self.locals)
    }

    /// A predicate, function or negation: needs variables that others bind.
    fn consumer(&mut self) -> String {
        match self.random.below(12) {
            0..4 => self.predicate(),
            4..8 => self.function(),
            8 | 9 => self.negation(),
            10 => self.not_join(),
            _ => self.producer(),
        }
    }

    fn needed(&mut self, kind: Kind) -> String {
        // Seldom a variable that nothing binds: to be refused.
        if self.random.percent(3) {
            return self.local();
        }
        let known: Vec<&String> = self
            .vars
            .iter()
            .filter(|(_, k)| *k == kind)
            .map(|(n, _)| n)
            .collect();
        if known.is_empty() {
            constant(self.random, kind)
        } else {
            (*self.random.pick(&known)).clone()
        }
    }

    fn known_kind(&mut self) -> Kind {
        let kinds: Vec<Kind> = self
            .vars
            .iter()
            .map(|(_, k)| *k)
            .filter(|k| !matches!(k, Kind::Any | Kind::Attribute))
            .collect();
        if kinds.is_empty() {
            Kind::Long
        } else {
            *self.random.pick(&kinds)
        }
    }

    fn predicate(&mut self) -> String {
        let kind = self.known_kind();
        let (x, y, c) = (
            self.needed(kind),
            self.needed(kind),
            constant(self.random, kind),
        );
        let y = if self.random.percent(50) { c } else { y };
        let a = self.random.pick(self.attributes).ident;
        match self.random.below(10) {
            0 => format!("[(= {x} {y})]"),
            1 => format!("[(not= {x} {y})]"),
            2 => format!("[(!= {x} {y})]"),
            3 => format!("[(<= {x} {y} {x})]"),
            4 => format!("[(>= {x} {y})]"),
            5 => format!("[(> {x} {y})]"),
            6 => {
                let e = self.needed(Kind::Entity);
                format!("[(missing? $ {e} {a})]")
            }
            7 => format!("[(some? {x})]"),
            _ => format!("[(< {x} {y})]"),
        }
    }

    fn function(&mut self) -> String {
        let (n, e) = (self.needed(Kind::Long), self.needed(Kind::Entity));
        let kind = self.known_kind();
        let x = self.needed(kind);
        let attribute = *self.random.pick(self.attributes);
        let default = constant(self.random, attribute.kind);
        let other = self.random.pick(self.attributes).ident;
        let source = if self.has_other && self.random.percent(30) {
            "$2"
        } else {
            "$"
        };
        match self.random.below(13) {
            10 => {
                let (a, v) = (self.var(Kind::Any), self.var(Kind::Any));
                format!(
                    "[(get-some {source} {e} {} {other}) [{a} {v}]]",
                    attribute.ident
                )
            }
            11 => format!(
                "[(tuple {n} {e}) [{} {}]]",
                self.var(Kind::Long),
                self.var(Kind::Entity)
            ),
            12 => {
                let v = self.var(attribute.kind);
                let query = format!("[:find ?v :in $ ?e :where [?e {} ?v]]", attribute.ident);
                format!("[(q {query} {source} {e}) [[{v}]]]")
            }
            0 => format!("[(inc {n}) {}]", self.var(Kind::Long)),
            1 => format!("[(+ {n} 1) {}]", self.var(Kind::Long)),
            2 => format!("[(* {n} {n}) {}]", self.var(Kind::Long)),
            3 => {
                let v = self.var(attribute.kind);
                format!(
                    "[(get-else {source} {e} {} {default}) {v}]",
                    attribute.ident
                )
            }
            4 => format!(
                "[(ground {}) {}]",
                constant(self.random, kind),
                self.var(kind)
            ),
            5 => {
                let (a, b) = (constant(self.random, kind), constant(self.random, kind));
                format!("[(ground [{a} {b}]) [{} ...]]", self.var(kind))
            }
            6 => {
                let (a, b) = (self.var(kind), self.var(Kind::Long));
                format!("[(vector {x} {n}) [{a} {b}]]")
            }
            7 => {
                let (a, b) = (
                    constant(self.random, kind),
                    constant(self.random, Kind::Long),
                );
                let (v, w) = (self.var(kind), self.var(Kind::Long));
                format!("[(ground [[{a} {b}] [{a} 0]]) [[{v} {w}]]]")
            }
            8 => format!("[(tuple {x} {n}) {}]", self.var(Kind::Any)),
            _ => format!("[(identity {x}) {}]", self.var(kind)),
        }
    }

    fn inner(&mut self, e: &str) -> String {
        let attribute = *self.random.pick(self.attributes);
        let (local, other) = (self.local(), self.local());
        let constant = constant(self.random, attribute.kind);
        match self.random.below(7) {
            0 if self.has_rules => format!("(p {e} {local})"),
            1 if self.has_rules => format!("(m _ {e})"),
            2 => format!("[{e} :friend {local}] [{local} {} _]", attribute.ident),
            3 => format!(
                "[{e} {} {local}] (not [{e} {} {constant}])",
                attribute.ident, attribute.ident
            ),
            4 => format!(
                "[{local} :friend {e}] (or [{local} {} {constant}] [{local} :friend _])",
                attribute.ident
            ),
            5 => format!(
                "[{e} {} {local}] [{other} {} {local}] [(not= {e} {other})]",
                attribute.ident, attribute.ident
            ),
            _ => format!("[{e} {} {constant}]", attribute.ident),
        }
    }

    fn negation(&mut self) -> String {
        let e = self.needed(Kind::Entity);
        let inner = self.inner(&e);
        let source = self.source();
        format!("({source}not {inner})")
    }

    fn not_join(&mut self) -> String {
        let e = self.needed(Kind::Entity);
        if !e.starts_with('?') {
            return self.negation();
        }
        let inner = self.inner(&e);
        let source = self.source();
        format!("({source}not-join [{e}] {inner})")
    }

    /// The find, what stands beside it, and the modifiers.
    fn find(&mut self) -> (String, String, String) {
        let mut vars = self.vars.clone();
        if vars.is_empty() {
            return ("?nothing".into(), String::new(), String::new());
        }
        self.random.shuffle(&mut vars);
        vars.dedup();
        vars.truncate(1 + self.random.below(3));
        let names: Vec<String> = vars.iter().map(|(name, _)| name.clone()).collect();
        let beside = self.vars.iter().find(|(name, _)| !names.contains(name));
        let with = match beside {
            Some((name, _)) if self.random.percent(15) => format!(":with {name}"),
            _ => String::new(),
        };
        if self.random.percent(25) {
            let mut elements = names.clone();
            for (element, (name, kind)) in elements.iter_mut().zip(&vars) {
                if self.random.percent(60) {
                    *element = self.aggregate(name, *kind);
                }
            }
            return (elements.join(" "), with, String::new());
        }
        match self.random.below(10) {
            0 => (format!("[{} ...]", names[0]), with, String::new()),
            1 => (format!("[{}]", names.join(" ")), with, String::new()),
            2 => (format!("{} .", names[0]), with, String::new()),
            3 => {
                let keys: Vec<String> = (0..names.len()).map(|at| format!("k{at}")).collect();
                let section = *self.random.pick(&[":keys", ":strs", ":syms"]);
                (
                    names.join(" "),
                    format!("{with} {section} {}", keys.join(" ")),
                    String::new(),
                )
            }
            4 if vars.iter().all(|(_, kind)| *kind != Kind::Any) => {
                let keys: Vec<String> = names
                    .iter()
                    .map(|name| format!("{name} {}", self.random.pick(&[":asc", ":desc"])))
                    .collect();
                let (limit, offset) = (self.random.below(6), self.random.below(3));
                let cut = if self.random.percent(50) {
                    format!(":limit {limit} :offset {offset}")
                } else {
                    String::new()
                };
                (
                    names.join(" "),
                    String::new(),
                    format!(":order-by [{}] {cut}", keys.join(" ")),
                )
            }
            _ => (names.join(" "), with, String::new()),
        }
    }

    fn aggregate(&mut self, name: &str, kind: Kind) -> String {
        let any = ["count", "count-distinct", "distinct"];
        let ordered = ["min", "max", "min 2", "max 2"];
        let numeric = [
            "sum",
            "avg",
            "median",
            "variance",
            "stddev",
            "quantile 0.3",
            "quantiles [0 0.25 0.5 0.9 1]",
        ];
        let function = match kind {
            Kind::Any | Kind::Attribute => *self.random.pick(&any),
            Kind::Long | Kind::Double => {
                *self.random.pick(&[&any[..], &ordered, &numeric].concat())
            }
            _ => *self.random.pick(&[&any[..], &ordered].concat()),
        };
        format!("({function} {name})")
    }
}
