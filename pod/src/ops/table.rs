//! The one table of operations: `describe`, the command line and the documentation read it.

pub use crate::ops::operation::{Client, Operation, Run, Shown, Stability, VARIADIC};
use crate::ops::{branch, change, commit, connect, listen, query, read, sql, upkeep, view};
use crate::server::Route;

/// The operation of this name.
pub fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

/// The common case: stable, shown in both namespaces, a plain function that reads.
const BASE: Operation = Operation {
    name: "",
    arglists: "([])",
    args_min: 1,
    args_max: 1,
    doc: "",
    stability: Stability::Stable,
    shown: Shown::Both,
    client: Client::Proxy,
    route: Route::Read,
    run: Run::Nothing,
};

/// Datahike's pod has none of these; ours shows them under its own name.
const VERSIONING: Operation = Operation {
    shown: Shown::Datalith,
    ..BASE
};

/// Every operation. A client defines them in this order: code uses only what stands before it.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "database-exists?",
        arglists: "([] [config])",
        args_min: 0,
        doc: "Whether the store of this configuration holds a database.",
        client: Client::Predicate,
        run: Run::Value(connect::database_exists),
        ..BASE
    },
    Operation {
        name: "create-database",
        arglists: "([] [config])",
        args_min: 0,
        doc: "Creates a database and returns its effective configuration.",
        route: Route::Change,
        run: Run::Value(connect::create_database),
        ..BASE
    },
    Operation {
        name: "delete-database",
        arglists: "([] [config])",
        args_min: 0,
        doc: "Erases a database with all its branches and history. Nil, also where there is none.",
        route: Route::Change,
        run: Run::Value(connect::delete_database),
        ..BASE
    },
    Operation {
        name: "connect",
        arglists: "([] [config] [config opts])",
        args_min: 0,
        args_max: 2,
        doc: "Connects to a database and returns a handle of the connection. The same \
              configuration gives the same handle.",
        route: Route::Change,
        run: Run::Value(connect::connect),
        ..BASE
    },
    Operation {
        name: "release",
        arglists: "([conn] [conn release-all?])",
        args_max: 2,
        doc: "Closes a connection after the transactions sent before; its handle is dead then. \
              Database values taken from it live on.",
        route: Route::Ordered,
        run: Run::Value(connect::release),
        ..BASE
    },
    Operation {
        name: "db",
        arglists: "([conn])",
        doc: "A handle of the current database value. It never changes; give it back with \
              release-db, or use with-db.",
        run: Run::Value(connect::db),
        ..BASE
    },
    Operation {
        name: "as-of",
        arglists: "([db time-point])",
        args_min: 2,
        args_max: 2,
        doc: "The database as it was at a transaction or instant, that one included.",
        run: Run::Value(view::as_of),
        ..BASE
    },
    Operation {
        name: "since",
        arglists: "([db time-point])",
        args_min: 2,
        args_max: 2,
        doc: "Only what was added after a transaction or instant.",
        run: Run::Value(view::since),
        ..BASE
    },
    Operation {
        name: "history",
        arglists: "([db])",
        doc: "Everything that was ever so, retractions included.",
        run: Run::Value(view::history),
        ..BASE
    },
    Operation {
        name: "with",
        arglists: "([db tx-data] [db tx-data tx-meta])",
        args_min: 2,
        args_max: 3,
        doc: "The report of a transaction that is only imagined: nothing is stored. :db-after \
              is a handle of the database as it would be.",
        shown: Shown::Datalith,
        run: Run::Value(view::with),
        ..BASE
    },
    Operation {
        name: "db-with",
        arglists: "([db tx-data])",
        args_min: 2,
        args_max: 2,
        doc: "The database as it would be after a transaction that is only imagined.",
        run: Run::Value(view::db_with),
        ..BASE
    },
    Operation {
        name: "q",
        arglists: "([query & inputs])",
        args_max: VARIADIC,
        doc: "Answers a Datalog query: a vector, a map, a string, a prepared query, or {:query … \
              :args … :limit … :offset … :order-by …}. Handles of databases among the inputs \
              stand for the databases.",
        client: Client::DatalithCode(include_str!("client/q.clj")),
        run: Run::Outcome(query::q),
        ..BASE
    },
    Operation {
        name: "q-boxed",
        arglists: "([query & inputs])",
        args_max: VARIADIC,
        doc: "The answer of q in a vector, so that false arrives.",
        shown: Shown::Nowhere,
        run: Run::Outcome(query::q_boxed),
        ..BASE
    },
    Operation {
        name: "prepare",
        arglists: "([query])",
        doc: "Reads a query once and returns a handle for execute, which keeps its plan; q, explain \
              and query-stats take it in place of a query. Give it back with release-query: the \
              pod holds 4096 at most.",
        shown: Shown::Datalith,
        run: Run::Value(query::prepare),
        ..BASE
    },
    Operation {
        name: "execute",
        arglists: "([prepared & inputs])",
        args_max: VARIADIC,
        doc: "Answers a prepared query; handles of databases among its inputs are databases.",
        shown: Shown::Datalith,
        client: Client::DatalithCode(include_str!("client/execute.clj")),
        run: Run::Outcome(query::execute),
        ..BASE
    },
    Operation {
        name: "execute-boxed",
        arglists: "([prepared & inputs])",
        args_max: VARIADIC,
        doc: "The answer of execute in a vector, so that false arrives.",
        shown: Shown::Nowhere,
        run: Run::Outcome(query::execute_boxed),
        ..BASE
    },
    Operation {
        name: "release-query",
        arglists: "([prepared])",
        doc: "Forgets a prepared query.",
        shown: Shown::Datalith,
        run: Run::Value(query::release_query),
        ..BASE
    },
    Operation {
        name: "explain",
        arglists: "([query & inputs])",
        args_max: VARIADIC,
        doc: "How the query would be answered: a tree of operators, the indexes they read and the \
              rows they should yield. With {:query … :args … :analyze true} it is answered, and \
              rows and times stand beside; :format :data gives nested maps.",
        stability: Stability::Experimental,
        shown: Shown::Datalith,
        run: Run::Value(query::explain),
        ..BASE
    },
    Operation {
        name: "query-stats",
        arglists: "([query & inputs])",
        args_max: VARIADIC,
        doc: "The answer under :ret, with what each clause cost.",
        stability: Stability::Experimental,
        shown: Shown::Datalith,
        run: Run::Value(query::query_stats),
        ..BASE
    },
    Operation {
        name: "pull",
        arglists: "([db {:keys [selector eid]}] [db selector eid])",
        args_min: 2,
        args_max: 3,
        doc: "What a pattern selects of one entity, as a map.",
        run: Run::Value(read::pull),
        ..BASE
    },
    Operation {
        name: "pull-many",
        arglists: "([db {:keys [selector eids]}] [db selector eids])",
        args_min: 2,
        args_max: 3,
        doc: "What a pattern selects of several entities, in their order.",
        run: Run::Value(read::pull_many),
        ..BASE
    },
    Operation {
        name: "entity",
        arglists: "([db eid])",
        args_min: 2,
        args_max: 2,
        doc: "The attributes of one entity as a plain map; references as {:db/id …}.",
        run: Run::Value(read::entity),
        ..BASE
    },
    Operation {
        name: "datoms",
        arglists: "([db {:keys [index components limit]}] [db index & components])",
        args_min: 2,
        args_max: VARIADIC,
        doc: "The datoms of an index that match these components: lists of (e a v tx added).",
        run: Run::Value(read::datoms),
        ..BASE
    },
    Operation {
        name: "seek-datoms",
        arglists: "([db {:keys [index components limit]}] [db index & components])",
        args_min: 2,
        args_max: VARIADIC,
        doc: "The datoms of an index from these components to its end.",
        run: Run::Value(read::seek_datoms),
        ..BASE
    },
    Operation {
        name: "rseek-datoms",
        arglists: "([db {:keys [index components limit]}] [db index & components])",
        args_min: 2,
        args_max: VARIADIC,
        doc: "The datoms of an index from these components back to its start.",
        stability: Stability::Experimental,
        shown: Shown::Datalith,
        run: Run::Value(read::rseek_datoms),
        ..BASE
    },
    Operation {
        name: "index-range",
        arglists: "([db {:keys [attrid start end]}])",
        args_min: 2,
        args_max: 2,
        doc: "The datoms of an indexed attribute whose values lie between two bounds, both \
              included; nil leaves a side open.",
        shown: Shown::Datalith,
        run: Run::Value(read::index_range),
        ..BASE
    },
    Operation {
        name: "search",
        arglists: "([db index vector-or-text k] [db index vector-or-text k {:keys [ef exact distance among]}])",
        args_min: 4,
        args_max: 5,
        doc: "The k entities whose vectors are nearest, nearest first: maps of :entity-id, :distance, :attribute.",
        shown: Shown::Datalith,
        run: Run::Value(read::search),
        ..BASE
    },
    Operation {
        name: "sql",
        arglists: "([db-or-conn statement] [db-or-conn statement parameters] [db-or-conn statement parameters {:keys [as to timeout]}])",
        args_min: 2,
        args_max: 4,
        doc: "What a statement of SQL answers: maps, {:as :columns} columns, {:to path} a file (docs/sql.md).",
        shown: Shown::Datalith,
        run: Run::Value(sql::sql),
        ..BASE
    },
    Operation {
        name: "schema",
        arglists: "([db])",
        doc: "The schema: attribute to its properties.",
        run: Run::Value(read::schema),
        ..BASE
    },
    Operation {
        name: "reverse-schema",
        arglists: "([db])",
        doc: "The schema turned around: property to the attributes that have it.",
        run: Run::Value(read::reverse_schema),
        ..BASE
    },
    Operation {
        name: "metrics",
        arglists: "([db])",
        doc: "Counts of datoms: in all, by attribute, by entity, and of the past.",
        run: Run::Value(read::metrics),
        ..BASE
    },
    Operation {
        name: "transact",
        arglists: "([conn tx-data] [conn {:keys [tx-data tx-meta]}])",
        args_min: 2,
        args_max: 2,
        doc: "Stores a transaction and returns :tempids, :db-before, :db-after, :tx-meta and \
              :tx-data. Calls on one connection keep their order.",
        route: Route::Ordered,
        run: Run::Value(change::transact),
        ..BASE
    },
    Operation {
        name: "branches",
        arglists: "([conn])",
        doc: "The branches of the database, a set of keywords.",
        run: Run::Value(branch::branches),
        ..VERSIONING
    },
    Operation {
        name: "branch!",
        arglists: "([conn from new-branch])",
        args_min: 3,
        args_max: 3,
        doc: "Makes a branch that starts at the head of a branch or at a commit. Connect to it \
              with :branch in the configuration.",
        route: Route::Ordered,
        run: Run::Value(branch::create),
        ..VERSIONING
    },
    Operation {
        name: "delete-branch!",
        arglists: "([conn branch])",
        args_min: 2,
        args_max: 2,
        doc: "Deletes a branch, its connections in this process included. :db stays.",
        route: Route::Ordered,
        run: Run::Value(branch::delete),
        ..VERSIONING
    },
    Operation {
        name: "force-branch!",
        arglists: "([db branch parents])",
        args_min: 3,
        args_max: 3,
        doc: "Puts a branch, made if there is none, to a database value that was committed; its \
              head follows these branches and commits too.",
        route: Route::Change,
        run: Run::Value(branch::force),
        ..VERSIONING
    },
    Operation {
        name: "merge-db",
        arglists: "([conn parents tx-data] [conn parents tx-data tx-meta])",
        args_min: 3,
        args_max: 4,
        doc: "A transaction whose commit follows these branches and commits beside the head. What \
              the merge is, the caller says in tx-data; merge! works it out.",
        route: Route::Ordered,
        run: Run::Value(branch::merge_db),
        ..VERSIONING
    },
    Operation {
        name: "merge!",
        arglists: "([conn from] [conn from {:keys [strategy tx-meta]}])",
        args_min: 2,
        args_max: 3,
        doc: "Brings here what a branch or commit did since both parted, as one transaction. \
              Where both changed the same thing, :strategy says who gives way: :fail (the \
              default, with every conflict in the error's data), :ours or :theirs. Returns :base, \
              :report (nil if there was nothing to merge), :conflicts and :renumbered.",
        route: Route::Ordered,
        run: Run::Value(branch::merge),
        ..VERSIONING
    },
    Operation {
        name: "merge-plan",
        arglists: "([conn from] [conn from {:keys [strategy]}])",
        args_min: 2,
        args_max: 3,
        doc: "What merge! would do now, without doing it: :tx-data (which merge-db takes too), \
              :conflicts and :renamed, the entities made there that get tempids or are others \
              here. Nil if there is nothing to merge.",
        run: Run::Value(branch::merge_plan),
        ..VERSIONING
    },
    Operation {
        name: "commit-id",
        arglists: "([db])",
        doc: "The id of the commit that made this database value; nil if none did.",
        run: Run::Value(commit::commit_id),
        ..VERSIONING
    },
    Operation {
        name: "parent-commit-ids",
        arglists: "([db])",
        doc: "The ids of the commits that the commit of this database value follows, a set.",
        run: Run::Value(commit::parent_commit_ids),
        ..VERSIONING
    },
    Operation {
        name: "commit-as-db",
        arglists: "([conn-or-db commit-id])",
        args_min: 2,
        args_max: 2,
        doc: "A handle of the database value of a commit of any branch; nil if there is none.",
        run: Run::Value(branch::commit_as_db),
        ..VERSIONING
    },
    Operation {
        name: "branch-as-db",
        arglists: "([conn-or-db branch])",
        args_min: 2,
        args_max: 2,
        doc: "A handle of the newest database value of a branch; nil if there is none.",
        run: Run::Value(branch::branch_as_db),
        ..VERSIONING
    },
    Operation {
        name: "branch-history",
        arglists: "([conn])",
        doc: "The commits that the head of this branch follows, itself first: maps of \
              :commit-id, :t, :tx, :instant and :parents.",
        run: Run::Value(commit::branch_history),
        ..VERSIONING
    },
    Operation {
        name: "tx-range",
        arglists: "([conn] [conn {:keys [start end limit]}] [conn start end])",
        args_max: 3,
        doc: "The transactions of this branch from start up to end, end left out, oldest first: \
              maps of :t, :tx, :instant, :commit-id and :data. A bound is a t, a transaction or \
              an instant; nil leaves a side open.",
        run: Run::Value(commit::tx_range),
        ..VERSIONING
    },
    Operation {
        name: "diff",
        arglists: "([db-a db-b])",
        args_min: 2,
        args_max: 2,
        doc: "The datoms that only one of two database values shows, under :only-a and :only-b. \
              It costs what the difference is, not what the databases are.",
        run: Run::Value(commit::diff),
        ..VERSIONING
    },
    Operation {
        name: "verify-chain",
        arglists: "([conn])",
        doc: "Whether every commit of this branch is what its id says: :status (:ok, :mismatch \
              or :incomplete), :commits, :redacted (of these, how many a purge \
              left nothing to check of), and :errors in words.",
        run: Run::Value(commit::verify_chain),
        ..VERSIONING
    },
    Operation {
        name: "gc-storage",
        arglists: "([conn] [conn remove-before] [conn remove-before {:keys [min-age-ms]}])",
        args_min: 1,
        args_max: 3,
        doc: "Removes every file that no branch, commit or open database needs, and takes what \
              was purged from this branch out of all of its files. Safe beside readers and \
              writers. Answers with the set of names removed. Commits cost next to nothing, so \
              all of them stay, whatever remove-before says.",
        run: Run::Value(commit::gc_storage),
        ..VERSIONING
    },
    Operation {
        name: "checkpoint",
        arglists: "([conn])",
        doc: "Folds what was written to this branch into segments now, as happens by itself in \
              the background: :done, :nothing-new, or :busy if another process is at it.",
        route: Route::Change,
        run: Run::Value(upkeep::checkpoint),
        ..VERSIONING
    },
    Operation {
        name: "embed",
        arglists: "([conn])",
        doc: "Makes the vectors that texts lack, where attributes say what theirs are made of, and \
              waits for it, as happens by itself in the background; how many those were.",
        route: Route::Change,
        run: Run::Value(upkeep::embed),
        ..VERSIONING
    },
    Operation {
        name: "build-indexes",
        arglists: "([conn])",
        doc: "Links all vectors that lie in no graph yet and waits for it, as happens by itself in the \
              background; how many graphs were built.",
        route: Route::Change,
        run: Run::Value(upkeep::build_indexes),
        ..VERSIONING
    },
    Operation {
        name: "verify",
        arglists: "([conn-or-config] [conn-or-config {:keys [deep]}])",
        args_max: 2,
        doc: "Checks every file of a store, every row and every commit of all branches; with \
              :deep also that the transactions make these rows. A map of :status (:ok or \
              :damaged), :branches, :errors (maps of :file, :message, :expected, :got …), \
              :garbage and more. A configuration serves where the database cannot be opened.",
        run: Run::Value(upkeep::verify),
        ..VERSIONING
    },
    Operation {
        name: "export",
        arglists: "([conn file])",
        args_min: 2,
        args_max: 2,
        doc: "Writes the whole database, all branches and their history, into a file for \
              import-dump. The same database gives the same bytes. Answers with :branches, \
              :transactions and :bytes.",
        run: Run::Value(upkeep::export),
        ..VERSIONING
    },
    Operation {
        name: "import-dump",
        arglists: "([config file])",
        args_min: 2,
        args_max: 2,
        doc: "Makes a database of what export wrote, where there is none yet: the same commits, \
              transactions, entities and instants. Cut short, the same call goes on.",
        route: Route::Change,
        run: Run::Value(upkeep::import_dump),
        ..VERSIONING
    },
    Operation {
        name: "backup",
        arglists: "([conn folder])",
        args_min: 2,
        args_max: 2,
        doc: "Copies the whole database to another folder, which is a database then; what an \
              earlier backup copied is kept. Writers go on meanwhile. Answers with :branches, \
              :objects, :bytes and :kept.",
        route: Route::Change,
        run: Run::Value(upkeep::backup),
        ..VERSIONING
    },
    Operation {
        name: "listen",
        arglists: "([conn f] [conn key f])",
        args_min: 2,
        args_max: 2,
        doc: "Calls a function with the report of every transaction from now on, one after the \
              other, on a thread of its own. Returns the key for unlisten.",
        shown: Shown::Datalith,
        client: Client::Code(include_str!("client/listen.clj")),
        run: Run::Outcome(listen::listen),
        ..BASE
    },
    Operation {
        name: "unlisten",
        arglists: "([conn key])",
        args_min: 2,
        args_max: 2,
        doc: "Ends what listen began; true if there was such a listener.",
        shown: Shown::Datalith,
        client: Client::Predicate,
        run: Run::Value(listen::unlisten),
        ..BASE
    },
    Operation {
        name: "release-db",
        arglists: "([db])",
        doc: "Gives a handle of a database value back. Returns {}.",
        run: Run::Value(connect::release_db),
        ..BASE
    },
    Operation {
        name: "with-db",
        arglists: "([bindings & body])",
        args_max: VARIADIC,
        doc: "Evaluates body with names bound to handles of database values, and gives them back \
              at the end.",
        client: Client::Code(include_str!("client/with_db.clj")),
        ..BASE
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_namespace_for_datahike_has_its_22_variables() {
        let names: HashSet<&str> = OPERATIONS
            .iter()
            .filter(|operation| operation.shown == Shown::Both)
            .map(|operation| operation.name)
            .collect();
        let expected = "database-exists? create-database delete-database connect release db as-of \
            since history db-with q pull pull-many entity datoms seek-datoms schema \
            reverse-schema metrics transact release-db with-db";
        assert_eq!(names, expected.split_whitespace().collect());
        assert_eq!(names.len(), 22);
    }

    #[test]
    fn every_operation_is_documented_and_has_a_name_of_its_own() {
        let mut names = HashSet::new();
        for operation in OPERATIONS {
            assert!(names.insert(operation.name), "{}", operation.name);
            assert!(operation.doc.ends_with(['.', '}']), "{}", operation.name);
            assert!(
                operation.args_min <= operation.args_max,
                "{}",
                operation.name
            );
            let runs = !matches!(operation.run, Run::Nothing);
            assert!(
                runs || matches!(operation.client, Client::Code(_)),
                "{}",
                operation.name
            );
        }
    }
}
