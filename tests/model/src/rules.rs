//! Random rules over the entities of a world.

use super::generate::{Attribute, Kind, constant};
use super::world::Random;

/// Names and numbers of arguments.
pub(super) const RULES: [(&str, usize); 6] =
    [("p", 2), ("q", 2), ("r", 1), ("t", 3), ("n", 1), ("m", 2)];
/// Rules before this one may be negated by those from it on.
const FIRST_STRATUM: usize = 4;

/// Branches of every rule, in no order.
pub(super) fn branches(random: &mut Random, attributes: &[Attribute]) -> Vec<String> {
    Maker { random, attributes }.branches()
}

struct Maker<'a> {
    random: &'a mut Random,
    attributes: &'a [Attribute],
}

impl Maker<'_> {
    /// Branches of every rule: positive recursion below, negation of it above.
    fn branches(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        for (at, (name, arity)) in RULES.into_iter().enumerate() {
            let head = &["?x", "?y", "?z"][..arity];
            let required = arity == 2 && self.random.percent(8);
            let shown = if required {
                "[?x] ?y".to_owned()
            } else {
                head.join(" ")
            };
            for _ in 0..1 + self.random.below(2) {
                let mut body: Vec<String> = (0..1 + self.random.below(2))
                    .map(|_| self.atom(at))
                    .collect();
                for var in head {
                    let covered = body.iter().any(|atom| atom.contains(var));
                    if covered {
                        continue;
                    }
                    let edge = self.edge();
                    if self.random.percent(8) {
                        body.push(format!("(not [{var} {edge} _])"));
                        continue;
                    }
                    let z = *self.random.pick(&["?x", "?y", "?z", "_"]);
                    let z = if arity == 1 && z == "?y" { "_" } else { z };
                    body.push(format!("[{var} {edge} {z}]"));
                }
                if at >= FIRST_STRATUM {
                    body.push(self.negative(head));
                }
                self.random.shuffle(&mut body);
                out.push(format!("[({name} {shown}) {}]", body.join(" ")));
            }
        }
        out
    }

    fn edge(&mut self) -> &'static str {
        let edges: Vec<&Attribute> = self
            .attributes
            .iter()
            .filter(|a| a.kind == Kind::Entity)
            .collect();
        self.random.pick(&edges).ident
    }

    /// One clause of a rule's body, over the entities `?x ?y ?z`.
    fn atom(&mut self, at: usize) -> String {
        let term = |it: &mut Self| match it.random.below(14) {
            0 => constant(it.random, Kind::Entity),
            1 => "_".into(),
            n => ["?x", "?y", "?z"][n % 3].to_owned(),
        };
        let (a, b, c, edge) = (term(self), term(self), term(self), self.edge());
        // A rule calls those of its stratum and below.
        let reach = if at < FIRST_STRATUM {
            FIRST_STRATUM
        } else {
            at + 1
        };
        let (name, arity) = RULES[self.random.below(reach)];
        match self.random.below(12) {
            0..4 => format!("({name} {})", [a, b, c][..arity].join(" ")),
            4 => format!("(or [{a} {edge} ?z] (and [?z {edge} {a}] (p ?z ?z)))"),
            5 => format!("(or-join [?x] [?x {edge} _] (q _ ?x))"),
            6 => format!("[{a} {edge} {b}] [(!= ?z 103)] [?z {edge} _]"),
            _ => format!("[{a} {edge} {b}]"),
        }
    }

    /// A negation of a lower stratum.
    fn negative(&mut self, head: &[&str]) -> String {
        let (name, arity) = RULES[self.random.below(FIRST_STRATUM)];
        let last = head.last().copied().unwrap_or("?x");
        match (arity, self.random.below(3)) {
            (1, _) => format!("(not ({name} {last}))"),
            (3, _) => format!("(not ({name} ?x {last} _))"),
            (_, 0) => format!("(not ({name} ?x {last}))"),
            (_, 1) => format!("(not-join [{last}] ({name} {last} ?inner))"),
            _ => format!("(not ({name} {last} _))"),
        }
    }
}
