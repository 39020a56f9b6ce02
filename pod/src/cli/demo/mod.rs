//! The demo: real data, loaded durably, asked, corrected, and read back from disk.
//!
//! [`data`] is the input, [`question`] what is asked, [`page`] how it is shown.

mod data;
mod page;
mod question;

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datalith_engine::conn::{self, Config, Conn};
use datalith_engine::db::TimePoint;
use datalith_engine::transact::TxData;
use datalith_engine::{Db, Value, edn};
use uuid::Uuid;

use super::arguments::Demo;
use super::fault::Fault;
use super::output::{self, count_text, duration_text};
use page::Page;
use question::{PULL_PATTERN, QUESTIONS, Question};

/// Rows of one transaction of the load.
const BATCH_ROWS: usize = 20_000;
/// What is wrong in the data, and its correction.
const MISTAKEN: &str = "[:find ?city . :where [?a :airport/code \"MZR\"] [?a :airport/city ?city]]";
const CORRECTION: &str = "[{:airport/code \"MZR\" :airport/city \"Mazar-i-Sharif\"}]";
const PAST: &str = "[:find ?city ?tx ?said\n :where [?a :airport/code \"MZR\"]\n        \
                    [?a :airport/city ?city ?tx ?said]\n :order-by ?tx ?said]";

/// Runs the demo in a directory of its own.
pub(crate) fn run(arguments: &Demo) -> Result<(), Fault> {
    let dir = directory(arguments)?;
    let config = super::database::config(&dir.display().to_string(), &[])?;
    conn::create_database(&config)?;
    let mut out = output::stdout();
    let mut page = Page::new(&mut out);
    page.title("Datalith: the air routes of the world")?;

    let conn = load(&config, &dir, &mut page)?;
    let db = conn.db()?;
    let mut answers = Vec::new();
    for question in QUESTIONS {
        page.section(question.title)?;
        answers.push(ask(question, &db, &mut page)?);
    }
    pull(&db, &mut page)?;
    correct(&conn, &mut page)?;
    drop(db);
    conn.release();
    reopen(&config, &answers, &mut page)?;

    page.section("Go on")?;
    let dir = dir.display();
    page.text(&format!(
        "datalith q --db {dir} '[:find ?name . :where [?a :airport/code \"KEF\"] [?a :airport/name ?name]]'\n\
         datalith schema --db {dir}"
    ))?;
    Ok(out.flush()?)
}

/// The directory asked for, else a new one among the temporary files.
fn directory(arguments: &Demo) -> Result<PathBuf, Fault> {
    let fresh = || env::temp_dir().join(format!("datalith-demo-{}", Uuid::new_v4().simple()));
    let dir = arguments.dir.clone().unwrap_or_else(fresh);
    let is_utf8 = dir.to_str().is_some();
    if is_utf8 {
        Ok(dir)
    } else {
        Err(Fault::Usage("--dir: expected a name in UTF-8".to_owned()))
    }
}

fn load(config: &Config, dir: &Path, page: &mut Page<'_>) -> Result<Conn, Fault> {
    page.section("Load")?;
    let conn = Conn::connect(config)?;
    let started = Instant::now();
    let schema = conn.transact(&TxData::new(edn::read(data::SCHEMA)?))?;
    let (mut datoms, mut transactions) = (schema.tx_data.len(), 1);
    let mut loaded = Vec::new();
    for table in data::TABLES {
        let maps = table.maps()?;
        loaded.push(format!("{} {}", count_text(maps.len()), table.name));
        for batch in maps.chunks(BATCH_ROWS) {
            let report = conn.transact(&TxData::new(Value::vector(batch.iter().cloned())))?;
            datoms += report.tx_data.len();
            transactions += 1;
        }
    }
    let took = started.elapsed();
    let rate = (datoms as f64 / took.as_secs_f64().max(1e-9)) as usize;
    page.text(&format!("{} into {}", loaded.join(", "), dir.display()))?;
    page.remark(&format!(
        "{} datoms in {transactions} durable transactions, {}, {} datoms/s",
        count_text(datoms),
        duration_text(took),
        count_text(rate)
    ))?;
    Ok(conn)
}

/// Asks, shows and gives the answer as one value.
fn ask(question: &Question, db: &Db, page: &mut Page<'_>) -> Result<Value, Fault> {
    let (answer, took) = question.answer(db)?;
    page.code(&question.shown())?;
    page.listing(&question.listing(&answer)?)?;
    page.rows_remark(answer.len(), took)?;
    Ok(answer.to_value())
}

fn pull(db: &Db, page: &mut Page<'_>) -> Result<(), Fault> {
    page.section("Pull: an airport, its country, and three of its routes")?;
    let entity = "[:airport/code \"KEF\"]";
    page.code(&format!("(pull db '{PULL_PATTERN}\n         {entity})"))?;
    let (pattern, entity) = (edn::read(PULL_PATTERN)?, edn::read(entity)?);
    let started = Instant::now();
    let pulled = datalith_engine::pull(db, &pattern, &entity)?.unwrap_or_default();
    let took = started.elapsed();
    page.value(&pulled)?;
    page.remark(&duration_text(took))
}

fn correct(conn: &Conn, page: &mut Page<'_>) -> Result<(), Fault> {
    page.section("A correction, and the time before it")?;
    let before = conn.db()?;
    page.code(&format!("(transact conn '{CORRECTION})"))?;
    let started = Instant::now();
    conn.transact(&TxData::new(edn::read(CORRECTION)?))?;
    page.remark(&format!("durable in {}", duration_text(started.elapsed())))?;
    let now = conn.db()?;
    let past = now.as_of(TimePoint::Tx(before.max_tx()))?;
    let city = Question {
        title: "",
        query: MISTAKEN,
        rules: None,
        inputs: &[],
    };
    page.code(MISTAKEN)?;
    for (moment, db) in [("now", &now), ("as of the transaction before", &past)] {
        let (answer, took) = city.answer(db)?;
        page.text(&format!(
            "{:<30}{}",
            format!("{moment}:"),
            answer.to_value()
        ))?;
        page.remark(&duration_text(took))?;
    }
    let past = Question {
        title: "",
        query: PAST,
        rules: None,
        inputs: &[],
    };
    page.text("in the history:")?;
    ask(&past, &now.history()?, page)?;
    Ok(())
}

/// Reads everything back from disk and asks again.
fn reopen(config: &Config, answers: &[Value], page: &mut Page<'_>) -> Result<(), Fault> {
    page.section("Close, open again from disk, ask again")?;
    let started = Instant::now();
    let conn = Conn::connect(config)?;
    let db = conn.db()?;
    page.remark(&format!("opened in {}", duration_text(started.elapsed())))?;
    let mut took_all = Duration::ZERO;
    for (question, expected) in QUESTIONS.iter().zip(answers) {
        let (answer, took) = question.answer(&db)?;
        took_all += took;
        if answer.to_value() != *expected {
            let message = format!(
                "{}: the reopened database answers differently",
                question.title
            );
            return Err(Fault::Failed(message));
        }
    }
    let count = answers.len();
    page.text(&format!("the same answers to all {count} questions"))?;
    page.remark(&duration_text(took_all))?;
    conn.release();
    Ok(())
}
