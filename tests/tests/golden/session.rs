//! What the commands of a script do.

use std::sync::atomic::{AtomicU64, Ordering};

use datalith_engine::conn::{Config, Conn, TxReport, create_database};
use datalith_engine::db::{self, Db, Index, TimePoint};
use datalith_engine::pull::{entity, pull, pull_many};
use datalith_engine::{Map, Result, Symbol, Value, edn, query};
use tempfile::TempDir;
use uuid::Uuid;

use super::ask::{self, Source};
use super::forms::Forms;
use super::guest::Guest;
use super::script::Command;
use super::show;

/// One database and what a script has said about it.
pub(super) struct Session {
    threads: usize,
    conn: Option<Conn>,
    config: Option<Config>,
    /// What the commands see: the database through each of these in turn.
    views: Vec<View>,
    rules: Value,
    /// Database values and collections under the names that queries use for them.
    named: Vec<(Symbol, Source)>,
    /// Holds the files of a database that is kept in files.
    folder: Option<TempDir>,
    /// The pod, once the script has called it.
    guest: Option<Guest>,
}

/// A way to see a database.
enum View {
    AsOf(TimePoint),
    Since(TimePoint),
    History,
}

impl Session {
    pub(super) fn new(threads: usize) -> Session {
        let (views, rules, named) = (Vec::new(), Value::Nil, Vec::new());
        let (conn, config, folder, guest) = (None, None, None, None);
        Session {
            threads,
            conn,
            config,
            views,
            rules,
            named,
            folder,
            guest,
        }
    }

    /// Runs one command and gives what it prints.
    ///
    /// - `config {…}`: a new database; without it the first command makes one without a schema.
    /// - `tx data meta?`: nothing, or with `[report]` the tempids and datoms. `with data` prints
    ///   them too and keeps nothing.
    /// - `as-of t`, `since t`, `history`, `now`: what the commands after it see; with `[and]` on top
    ///   of what they saw before.
    /// - `rules […]`: what `%` stands for. `let $name`: the database value as it is seen now, under
    ///   a name for queries. `let $name form`: a collection.
    /// - `q query input*`: the answer; `[plan]` also the plan, `[stats]` also the statistics. Inputs
    ///   that are sources or rules need not be written. `parse query`: the query as a tree.
    /// - `pull pattern eid`, `pull-many pattern [eid*]`, `entity eid`, `schema`, `reverse-schema`.
    /// - `datoms :index component*`, `seek-datoms …`, `rseek-datoms …`, `index-range attr start end`.
    /// - `pod name arg*`: calls the pod as its client does; `-> name` at the end keeps the answer as
    ///   a handle. `pod` alone: what it describes itself as.
    /// - `reopen`: releases the connection and connects again.
    pub(super) fn run(&mut self, command: &Command) -> Vec<String> {
        self.try_run(command)
            .unwrap_or_else(|error| show::error(&error, &command.rest))
    }

    fn try_run(&mut self, command: &Command) -> Result<Vec<String>> {
        let forms = Forms::read(&command.rest)?;
        match command.name.as_str() {
            "config" => self.create(forms.value(0))?,
            "tx" => {
                let report = self.conn()?.transact(&forms.tx_data())?;
                return Ok(if command.has("report") {
                    report_lines(&report)
                } else {
                    Vec::new()
                });
            }
            "as-of" => self.see(command, View::AsOf(TimePoint::from_value(&forms.value(0))?)),
            "since" => self.see(
                command,
                View::Since(TimePoint::from_value(&forms.value(0))?),
            ),
            "history" => self.see(command, View::History),
            "now" => self.views.clear(),
            "let" => self.name(&forms)?,
            "rules" => self.rules = forms.value(0),
            "reopen" => self.reopen()?,
            "pod" => {
                let guest = self.guest.get_or_insert_with(Guest::start);
                return Ok(guest.call(&forms.values_from(0)));
            }
            _ => return self.read(command, &forms),
        }
        Ok(Vec::new())
    }

    /// The commands that only look.
    fn read(&mut self, command: &Command, forms: &Forms<'_>) -> Result<Vec<String>> {
        let db = self.db()?;
        let (first, second) = (forms.value(0), forms.value(1));
        let datoms = match command.name.as_str() {
            "q" => return ask::answer(command, forms, &db, &self.rules, &self.named),
            "parse" => return parse(forms),
            "pull" => {
                return Ok(vec![show::edn(
                    &pull(&db, &first, &second)?.unwrap_or_default(),
                )]);
            }
            "pull-many" => {
                let found = pull_many(&db, &first, second.as_sequential().unwrap_or_default())?;
                return Ok(found.iter().map(show::edn).collect());
            }
            "entity" => return Ok(vec![show::edn(&entity(&db, &first)?.unwrap_or_default())]),
            "schema" => return Ok(entries(&db::schema_map(&db))),
            "reverse-schema" => return Ok(entries(&db::reverse_schema(&db))),
            "with" => return Ok(report_lines(&db.with(&forms.tx_data())?)),
            "datoms" => db::datoms(&db, Index::from_value(&first)?, &forms.values_from(1))?,
            "seek-datoms" => {
                db::seek_datoms(&db, Index::from_value(&first)?, &forms.values_from(1))?
            }
            "rseek-datoms" => {
                db::rseek_datoms(&db, Index::from_value(&first)?, &forms.values_from(1))?
            }
            "index-range" => db::index_range(&db, &first, &second, &forms.value(2))?,
            other => panic!("no command is called {other}"),
        };
        Ok(datoms.iter().map(show::datom).collect())
    }

    fn create(&mut self, given: Value) -> Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = Uuid::from_u64_pair(0xda7a, NEXT.fetch_add(1, Ordering::Relaxed));
        let mut map: Map = given.as_map().cloned().unwrap_or_default();
        let mut store: Map = given
            .get("store")
            .and_then(Value::as_map)
            .cloned()
            .unwrap_or_default();
        store
            .entry(Value::keyword("backend"))
            .or_insert(Value::keyword("memory"));
        store.entry(Value::keyword("id")).or_insert(Value::Uuid(id));
        if store[&Value::keyword("backend")] == Value::keyword("file") {
            let folder = tempfile::tempdir().expect("the machine has a folder for temporary files");
            let path = folder.path().join("db").to_string_lossy().into_owned();
            store.entry(Value::keyword("path")).or_insert(path.into());
            self.folder = Some(folder);
        }
        map.insert(Value::keyword("store"), store.into());
        map.entry(Value::keyword("threads"))
            .or_insert(self.threads.into());
        let config = Config::from_value(&map.into())?;
        create_database(&config)?;
        self.conn = Some(Conn::connect(&config)?);
        self.config = Some(config);
        self.views.clear();
        Ok(())
    }

    fn conn(&mut self) -> Result<Conn> {
        if self.conn.is_none() {
            let key = Value::keyword("schema-flexibility");
            self.create(Value::map([(key, Value::keyword("read"))]))?;
        }
        Ok(self.conn.clone().expect("just created"))
    }

    fn db(&mut self) -> Result<Db> {
        let db = self.conn()?.db()?;
        self.views.iter().try_fold(db, |db, view| match view {
            View::AsOf(point) => db.as_of(*point),
            View::Since(point) => db.since(*point),
            View::History => db.history(),
        })
    }

    fn see(&mut self, command: &Command, view: View) {
        if !command.has("and") {
            self.views.clear();
        }
        self.views.push(view);
    }

    fn name(&mut self, forms: &Forms<'_>) -> Result<()> {
        let name = forms
            .value(0)
            .as_symbol()
            .cloned()
            .expect("let takes a name, $name");
        let source = match forms.values_from(1).into_iter().next() {
            Some(value) => Source::Value(value),
            None => Source::Db(self.db()?),
        };
        self.named.retain(|(known, _)| *known != name);
        self.named.push((name, source));
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        if let (Some(conn), Some(config)) = (self.conn.take(), &self.config) {
            conn.release();
            self.conn = Some(Conn::connect(config)?);
        }
        Ok(())
    }
}

fn parse(forms: &Forms<'_>) -> Result<Vec<String>> {
    let (form, spans) = edn::read_spanned(forms.first_text())?;
    let query = query::parse(&form, Some(&spans)).map_err(|e| forms.error_of_first(&e))?;
    Ok(query.to_string().lines().map(str::to_owned).collect())
}

/// The entries of a map in order, one a line.
fn entries(map: &Value) -> Vec<String> {
    let Some(map) = map.as_map() else {
        return vec![show::edn(map)];
    };
    let mut lines: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{} {}", show::edn(key), show::edn(value)))
        .collect();
    lines.sort();
    lines
}

fn report_lines(report: &TxReport) -> Vec<String> {
    let mut lines = vec![show::edn(&report.tempids.clone().into())];
    lines.extend(report.tx_data.iter().map(show::datom));
    lines
}
