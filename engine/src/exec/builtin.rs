//! The rules every query knows: windows of transactions in valid time, and Allen's relations of
//! intervals `[from, to)`.

use crate::edn;
use crate::error::Result;
use crate::query::ast::{Clause, ClauseKind, RuleBranch};
use crate::query::parse_rules;
use crate::value::Symbol;

/// A window that is not closed ends here.
const RULES: &str = r#"[
  [(valid-window% ?tx ?from ?to)
   [?tx :db/txInstant ?instant]
   [(get-else $ ?tx :db.valid/from ?instant) ?from]
   [(get-else $ ?tx :db.valid/to #inst "9999-12-31T23:59:59.999-00:00") ?to]]
  [(valid-at ?tx ?at) (valid-window% ?tx ?f ?t) [(<= ?f ?at)] [(< ?at ?t)]]
  [(valid-between ?tx ?from ?to) (valid-window% ?tx ?f ?t) [(< ?f ?to)] [(< ?from ?t)]]
  [(valid-during ?tx ?from ?to) (valid-window% ?tx ?f ?t) [(<= ?from ?f)] [(<= ?t ?to)]]
  [(period-overlaps? ?tx ?from ?to) (valid-window% ?tx ?f ?t) [(< ?f ?to)] [(< ?from ?t)]]
  [(interval-overlaps? ?af ?at ?bf ?bt) [(< ?af ?bt)] [(< ?bf ?at)]]
  [(interval-equals? ?af ?at ?bf ?bt) [(= ?af ?bf)] [(= ?at ?bt)]]
  [(interval-contains? ?af ?at ?bf ?bt) [(<= ?af ?bf)] [(<= ?bt ?at)]]
  [(interval-strictly-contains? ?af ?at ?bf ?bt) [(< ?af ?bf)] [(< ?bt ?at)]]
  [(interval-precedes? ?af ?at ?bf ?bt) [(<= ?at ?bf)] [(identity ?af)] [(identity ?bt)]]
  [(interval-strictly-precedes? ?af ?at ?bf ?bt) [(< ?at ?bf)] [(identity ?af)] [(identity ?bt)]]
  [(interval-immediately-precedes? ?af ?at ?bf ?bt) [(= ?at ?bf)] [(identity ?af)] [(identity ?bt)]]
  [(interval-meets? ?af ?at ?bf ?bt) [(= ?at ?bf)] [(identity ?af)] [(identity ?bt)]]
  [(interval-succeeds? ?af ?at ?bf ?bt) [(>= ?af ?bt)] [(identity ?at)] [(identity ?bf)]]
  [(interval-strictly-succeeds? ?af ?at ?bf ?bt) [(> ?af ?bt)] [(identity ?at)] [(identity ?bf)]]
  [(interval-immediately-succeeds? ?af ?at ?bf ?bt) [(= ?af ?bt)] [(identity ?at)] [(identity ?bf)]]
  [(interval-starts? ?af ?at ?bf ?bt) [(= ?af ?bf)] [(< ?at ?bt)]]
  [(interval-started-by? ?af ?at ?bf ?bt) [(= ?af ?bf)] [(> ?at ?bt)]]
  [(interval-finishes? ?af ?at ?bf ?bt) [(= ?at ?bt)] [(> ?af ?bf)]]
  [(interval-finished-by? ?af ?at ?bf ?bt) [(= ?at ?bt)] [(< ?af ?bf)]]
]"#;

/// The built-in rules, if any clause calls a rule that the caller has not given.
pub(super) fn missing_rules(clauses: &[Clause], given: &[RuleBranch]) -> Result<Vec<RuleBranch>> {
    let is_given = |name: &Symbol| given.iter().any(|branch| branch.name == *name);
    let mut called = Vec::new();
    clauses.iter().for_each(|clause| calls(clause, &mut called));
    given
        .iter()
        .flat_map(|branch| &branch.clauses)
        .for_each(|clause| calls(clause, &mut called));
    if called.iter().all(|name| is_given(name)) {
        return Ok(Vec::new());
    }
    let mut rules = parse_rules(&edn::read(RULES)?, None)?;
    rules.retain(|branch| !is_given(&branch.name));
    Ok(rules)
}

fn calls<'c>(clause: &'c Clause, out: &mut Vec<&'c Symbol>) {
    if let ClauseKind::Rule { name, .. } = &clause.kind {
        out.push(name);
    }
    clause.children().for_each(|child| calls(child, out));
}
