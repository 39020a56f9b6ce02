//! Merging a branch or commit into the branch of a connection, by what both have in common.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Conn;
use super::branch::BranchPoint;
use super::history::{self, Commit};
use super::queue::Upon;
use crate::datom::EntityId;
use crate::db::Db;
use crate::diff::{self, Conflict, MergePlan, Strategy};
use crate::error::{Code, Error, Result};
use crate::transact::{self, TxData, TxReport};
use crate::value::Value;

/// How often a merge is worked out anew because the branch went on meanwhile.
const ATTEMPTS: usize = 16;

/// What became of a merge.
#[derive(Clone)]
pub struct MergeReport {
    /// The newest commit that both sides follow; none if they have none in common.
    pub base: Option<Uuid>,
    /// The transaction; none if the branch followed that commit already.
    pub report: Option<TxReport>,
    /// What both sides disagreed on, each with the side that was taken.
    pub conflicts: Vec<Conflict>,
    /// Entities that the other side made, with their numbers there and here where these differ.
    pub renumbered: Vec<(EntityId, EntityId)>,
}

/// What is to be merged with what.
struct Sides {
    /// The newest commit that both follow.
    base: Option<Uuid>,
    ours: Db,
    /// Our commit; nil before the first.
    head: Uuid,
    theirs: Db,
    /// Their commit.
    commit: Uuid,
}

impl Sides {
    /// Whether our side follows theirs already.
    fn is_followed(&self) -> bool {
        self.base == Some(self.commit)
    }
}

impl Conn {
    /// Brings what a branch or commit did since it parted from this branch here, as one
    /// transaction whose commit follows both. What both sides changed in different ways is for
    /// `strategy`; see [`diff::merge`].
    ///
    /// - `meta`: said of the transaction, as in [`TxData::meta`].
    /// - Cost: a look at the commits of both sides, and the two differences.
    /// - Errors: [`Code::MergeConflict`]; [`Code::ParentDoesNotExist`]; [`Code::Fenced`] if the
    ///   branch never stood still; those of [`Conn::transact`].
    pub fn merge_branch(
        &self,
        from: &BranchPoint,
        strategy: Strategy,
        meta: Option<Value>,
    ) -> Result<MergeReport> {
        let mut moved = None;
        for _ in 0..ATTEMPTS {
            match self.try_merge(from, strategy, meta.clone()) {
                Err(error) if error.code() == Code::Fenced => moved = Some(error),
                done => return done,
            }
        }
        Err(moved.unwrap_or_else(|| Error::new(Code::Fenced, "the branch never stood still")))
    }

    /// What [`Conn::merge_branch`] would do now, without doing it; none if the branch follows that
    /// commit already. Errors: as there.
    pub fn plan_merge(&self, from: &BranchPoint, strategy: Strategy) -> Result<Option<MergePlan>> {
        let sides = self.sides(from)?;
        match sides.is_followed() {
            true => Ok(None),
            false => self.plan(&sides, strategy).map(Some),
        }
    }

    fn try_merge(
        &self,
        from: &BranchPoint,
        strategy: Strategy,
        meta: Option<Value>,
    ) -> Result<MergeReport> {
        let sides = self.sides(from)?;
        let mut report = MergeReport {
            base: sides.base,
            report: None,
            conflicts: Vec::new(),
            renumbered: Vec::new(),
        };
        if sides.is_followed() {
            return Ok(report);
        }
        let plan = self.plan(&sides, strategy)?;
        let data = TxData {
            data: plan.tx_data.clone(),
            meta,
            rows: None,
        };
        let upon = Upon {
            parents: vec![sides.commit],
            head: Some(sides.head),
        };
        let made = self.transact_upon(&data, upon)?;
        report.renumbered = renumbered(&plan, &made);
        report.conflicts = plan.conflicts;
        report.report = Some(made);
        Ok(report)
    }

    fn sides(&self, from: &BranchPoint) -> Result<Sides> {
        let (theirs, commit) = self.value_of(from)?;
        let ours = self.db()?;
        let head = ours.commit_id().unwrap_or_default();
        let known = self.commits_behind(head, commit)?;
        Ok(Sides {
            base: merge_base(&known, head, commit),
            ours,
            head,
            theirs,
            commit,
        })
    }

    fn plan(&self, sides: &Sides, strategy: Strategy) -> Result<MergePlan> {
        let base = match sides.base {
            Some(base) => self.commit_as_db(base)?.ok_or_else(|| missing(base))?,
            None => transact::create((**sides.ours.options()).clone()),
        };
        diff::merge(&base, &sides.ours, &sides.theirs, strategy)
    }

    /// The database value that is to be merged, and its commit.
    fn value_of(&self, from: &BranchPoint) -> Result<(Db, Uuid)> {
        let found = match from {
            BranchPoint::Branch(branch) => self.branch_as_db(branch)?,
            BranchPoint::Commit(commit) => self.commit_as_db(*commit)?,
        };
        let commit = found.as_ref().and_then(Db::commit_id);
        found.zip(commit).ok_or_else(|| {
            let message = "What is to be merged is no branch or commit of this database.";
            Error::new(Code::ParentDoesNotExist, message).with("parent", from.to_value())
        })
    }

    /// The commits that two commits follow, by id; others may be among them.
    fn commits_behind(&self, ours: Uuid, theirs: Uuid) -> Result<HashMap<Uuid, Commit>> {
        let database = self.database()?;
        let place = database.place();
        let mut branches = self.branches()?;
        // Our own first: most often theirs began there.
        branches.sort_by_key(|branch| *branch != place.branch);
        let mut known: HashMap<Uuid, Commit> = HashMap::new();
        for branch in branches {
            let commits = history::commits(&place.of(&branch))?;
            known.extend(commits.into_iter().map(|commit| (commit.id, commit)));
            let is_known = |id: &Uuid| id.is_nil() || known.contains_key(id);
            if is_known(&ours) && is_known(&theirs) {
                break;
            }
        }
        Ok(known)
    }
}

/// The newest commit that two commits follow, themselves included, and that no other such commit
/// follows. Where there are several, as after merges in both directions, the latest of them.
fn merge_base(known: &HashMap<Uuid, Commit>, ours: Uuid, theirs: Uuid) -> Option<Uuid> {
    let here = behind(known, vec![ours]);
    let there = behind(known, vec![theirs]);
    let common: HashSet<Uuid> = here.intersection(&there).copied().collect();
    let parents = common.iter().filter_map(|id| known.get(id));
    let parents = parents.flat_map(|commit| commit.parents.iter().copied());
    let followed = behind(known, parents.collect());
    let newest = common.difference(&followed);
    newest
        .filter_map(|id| known.get(id))
        .max_by_key(|commit| (commit.t, commit.id))
        .map(|commit| commit.id)
}

/// The commits that some commits follow, themselves included.
fn behind(known: &HashMap<Uuid, Commit>, mut wanted: Vec<Uuid>) -> HashSet<Uuid> {
    let mut found = HashSet::new();
    while let Some(id) = wanted.pop() {
        if let Some(commit) = known.get(&id).filter(|_| found.insert(id)) {
            wanted.extend(&commit.parents);
        }
    }
    found
}

/// The numbers that the transaction gave to entities with tempids, and those of the plan.
fn renumbered(plan: &MergePlan, made: &TxReport) -> Vec<(EntityId, EntityId)> {
    let number = |name: &Value| match name {
        Value::Long(e) => Some(*e),
        name => made.tempids.get(name).and_then(Value::as_long),
    };
    let renamed = plan.renamed.iter();
    renamed
        .filter_map(|(e, name)| Some((*e, EntityId(number(name)?))))
        .collect()
}

fn missing(commit: Uuid) -> Error {
    Error::new(
        Code::ParentDoesNotExist,
        "The commit that both sides have in common is gone.",
    )
    .with("parent", Value::Uuid(commit))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conn::{Config, create_database, create_database_at};
    use crate::datom::Datom;
    use crate::edn;
    use crate::store::{MemoryStorage, Storage};
    use crate::value::Keyword;

    fn connect(id: Uuid, branch: &str) -> Conn {
        let text = format!(
            "{{:store {{:backend :memory :id #uuid \"{id}\"}} :schema-flexibility :read \
              :branch :{branch}}}"
        );
        let config = Config::from_value(&edn::read(&text).unwrap()).unwrap();
        if branch == "db" {
            create_database(&config).unwrap();
        }
        Conn::connect(&config).unwrap()
    }

    /// The branches `:db` and `:other` of one new database, which part after `base`.
    fn branches(base: &[&str]) -> (Conn, Conn) {
        let id = Uuid::new_v4();
        let main = connect(id, "db");
        base.iter().for_each(|data| transact(&main, data));
        let (from, other) = (Keyword::new("db"), Keyword::new("other"));
        main.create_branch(&BranchPoint::Branch(from), &other)
            .unwrap();
        let other = connect(id, "other");
        (main, other)
    }

    fn transact(conn: &Conn, data: &str) {
        conn.transact(&TxData::new(edn::read(data).unwrap()))
            .unwrap();
    }

    fn merge(conn: &Conn, from: &str, strategy: Strategy) -> Result<MergeReport> {
        let from = BranchPoint::Branch(Keyword::new(from));
        conn.merge_branch(&from, strategy, None)
    }

    /// Entities below transactions: `entity attribute value` each, sorted.
    fn facts(conn: &Conn) -> String {
        let db = conn.db().unwrap();
        let datoms = crate::datoms(&db, crate::Index::Eavt, &[]).unwrap();
        let own = datoms.iter().filter(|datom| datom.e.0 < crate::datom::TX0);
        own.map(|datom| format!("{} {} {}", datom.e.0, datom.a, datom.v))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn a_merge_follows_both_sides_and_is_done_once() {
        let (main, other) = branches(&["[{:db/id 1 :age 30 :name \"Ann\"}]"]);
        transact(&main, "[[:db/add 1 :age 31] {:name \"Cid\"}]");
        transact(&other, "[[:db/add 1 :city \"Rome\"] {:name \"Dan\"}]");
        let from = BranchPoint::Branch(Keyword::new("other"));
        let plan = main.plan_merge(&from, Strategy::Fail).unwrap().unwrap();
        assert_eq!(plan.tx_data.as_sequential().map(<[Value]>::len), Some(2));
        let merged = merge(&main, "other", Strategy::Fail).unwrap();
        assert!(main.plan_merge(&from, Strategy::Fail).unwrap().is_none());
        let all = "1 :age 31, 1 :city \"Rome\", 1 :name \"Ann\", 2 :name \"Cid\", 3 :name \"Dan\"";
        assert_eq!(facts(&main), all);
        assert_eq!(merged.renumbered, [(EntityId(2), EntityId(3))]);
        let report = merged.report.unwrap();
        let parents = main.parent_commit_ids(&report.db_after).unwrap().unwrap();
        let theirs = other.db().unwrap().commit_id().unwrap();
        assert_eq!(parents, [report.db_before.commit_id().unwrap(), theirs]);
        assert!(
            merge(&main, "other", Strategy::Fail)
                .unwrap()
                .report
                .is_none()
        );

        // The other side only has to follow, from where it was merged.
        let back = merge(&other, "db", Strategy::Fail).unwrap();
        assert_eq!(back.base, Some(theirs));
        assert_eq!(facts(&other), all);
        assert!(
            merge(&main, "other", Strategy::Fail)
                .unwrap()
                .report
                .is_some()
        );
        assert_eq!(facts(&main), all);
    }

    #[test]
    fn a_conflict_changes_nothing_unless_a_side_is_taken() {
        let (main, other) = branches(&["[{:db/id 1 :age 30}]"]);
        transact(&main, "[[:db/add 1 :age 31]]");
        transact(&other, "[[:db/add 1 :age 32]]");
        let refused = merge(&main, "other", Strategy::Fail)
            .map(|_| ())
            .unwrap_err();
        assert_eq!(refused.code(), Code::MergeConflict);
        assert_eq!(facts(&main), "1 :age 31");
        let merged = merge(&main, "other", Strategy::Theirs).unwrap();
        assert_eq!(
            (facts(&main).as_str(), merged.conflicts.len()),
            ("1 :age 32", 1)
        );
        let unknown = merge(&main, "nobody", Strategy::Fail)
            .map(|_| ())
            .unwrap_err();
        assert_eq!(unknown.code(), Code::ParentDoesNotExist);
    }

    #[test]
    fn branches_that_part_before_the_first_commit_merge_too() {
        let (main, other) = branches(&[]);
        transact(&main, "[{:db/id 1 :age 30}]");
        transact(&other, "[{:db/id 2 :age 32}]");
        let merged = merge(&main, "other", Strategy::Fail).unwrap();
        assert_eq!(
            (merged.base, facts(&main).as_str()),
            (None, "1 :age 30, 2 :age 32")
        );
    }

    #[test]
    fn a_merge_waits_until_the_branch_stands_still() {
        let (main, other) = branches(&["[{:db/id 1 :n 0}]"]);
        transact(&other, "[[:db/add 2 :n 1]]");
        std::thread::scope(|scope| {
            let writer = main.clone();
            scope.spawn(move || {
                (0..20).for_each(|n| transact(&writer, &format!("[[:db/add 1 :n {n}]]")))
            });
            let merged = (0..50).find_map(|_| merge(&main, "other", Strategy::Fail).ok());
            assert!(merged.is_some_and(|merged| merged.report.is_some()));
        });
        assert_eq!(facts(&main), "1 :n 19, 2 :n 1");
        let chain = main.verify_chain().unwrap();
        assert_eq!((chain.commits, chain.errors.len()), (22, 0));
    }

    #[test]
    fn branches_share_what_lies_in_segments() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let config = Config::memory(Uuid::from_u128(7));
        create_database_at(&storage, &config).unwrap();
        let main = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        let person = |n: i64| format!("[:db/add {n} :name \"n{n}\"]");
        let schema = "{:db/ident :name :db/valueType :db.type/string \
            :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}";
        let people: Vec<String> = (100..20_000).map(person).collect();
        transact(&main, &format!("[{schema} {}]", people.join(" ")));
        main.checkpoint().unwrap();
        let side = Keyword::new("side");
        let head = BranchPoint::Branch(Keyword::new("db"));
        main.create_branch(&head, &side).unwrap();
        let config = config.with("branch", Value::Keyword(side)).unwrap();
        let side = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        transact(&main, "[{:name \"here\"}]");
        transact(
            &side,
            "[{:name \"there\"} [:db/add 9000 :name \"changed\"]]",
        );

        let (a, b) = (main.db().unwrap(), side.db().unwrap());
        let found = diff::diff(&a, &b).unwrap();
        // Both transactions may be of one millisecond: then their instants do not differ.
        let names = |datoms: &[Datom]| datoms.iter().filter(|datom| datom.is_of("name")).count();
        let [only_a, only_b]: [Vec<Datom>; 2] =
            [found.only_a().collect(), found.only_b().collect()];
        assert_eq!((names(&only_a), names(&only_b)), (2, 2));
        // Of three chunks the last two: what was there before lies in one segment for both.
        assert!(
            found.rows_looked_at() < 2 * 14_000,
            "{}",
            found.rows_looked_at()
        );
        main.checkpoint().unwrap();
        side.checkpoint().unwrap();

        let from = BranchPoint::Branch(Keyword::new("side"));
        let merged = main.merge_branch(&from, Strategy::Fail, None).unwrap();
        assert_eq!(merged.renumbered.len(), 1);
        let db = main.db().unwrap();
        let name = |name: &str| db.entid(&edn::read(&format!("[:name \"{name}\"]")).unwrap());
        let found = ["here", "there", "changed"].map(|text| name(text).unwrap().map(|e| e.0));
        assert_eq!(found, [Some(20_000), Some(20_001), Some(9_000)]);
    }
}
