//! Making a branch and opening it.

use std::time::Instant;

use datalith_engine::conn::{BranchPoint, Conn, TxData};
use datalith_engine::{Keyword, Result, Value};

use crate::crowd;
use crate::place::{Place, config};

/// Branches made of each database.
const BRANCHES: usize = 51;

/// Measures each size.
pub(crate) fn run(place: &Place, millions: &[i64]) -> Result<()> {
    println!("\nbranch: made of the head, then opened; the median of {BRANCHES}");
    println!(
        "{:<14}{:>12}{:>12}{:>14}",
        "datoms", "make ms", "open ms", "first tx ms"
    );
    for &millions in millions {
        let path = place.crowd(millions)?;
        let conn = Conn::connect(&config(&path)?)?;
        conn.db()?;
        let (mut make, mut open, mut transact) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..BRANCHES {
            let name = Keyword::new(&format!("branch-{n}"));
            let main = BranchPoint::Branch(Keyword::new("db"));
            let started = Instant::now();
            conn.create_branch(&main, &name)?;
            make.push(started.elapsed());
            let branched = Value::Keyword(name.clone());
            let config = config(&path)?.with("branch", branched)?;
            let started = Instant::now();
            let opened = Conn::connect(&config)?;
            let db = opened.db()?;
            open.push(started.elapsed());
            let id = 1 + n as i64;
            let lookup = Value::vector([Value::keyword("person/id"), Value::Long(id)]);
            assert_eq!(db.entid_strict(&lookup)?.0, id);
            let person = crowd::Person {
                friend: None,
                ..crowd::person(90_000_000)
            };
            let data = TxData::new(Value::vector([Value::map(person.values())]));
            let started = Instant::now();
            opened.transact(&data)?;
            transact.push(started.elapsed());
            opened.release_all();
            conn.delete_branch(&name)?;
        }
        let median = |times: &mut Vec<std::time::Duration>| {
            times.sort();
            times[times.len() / 2].as_secs_f64() * 1000.0
        };
        println!(
            "{:<14}{:>12.3}{:>12.3}{:>14.3}",
            format!("{millions} M"),
            median(&mut make),
            median(&mut open),
            median(&mut transact)
        );
        conn.release_all();
    }
    println!(
        "one small file made durable takes this disk {:.3} ms",
        place.durable_ms()
    );
    Ok(())
}
