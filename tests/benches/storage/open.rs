//! From the start of a process to the first answer.

use std::time::Duration;

use datalith_engine::{Result, Value, edn};

use crate::command::{Outcome, datalith};
use crate::crowd;
use crate::place::{Place, bytes_of, drop_cache, people_of};

/// Runs with the files in the page cache; the median counts.
const WARM_RUNS: i64 = 15;
/// Runs without.
const COLD_RUNS: i64 = 5;

/// Measures each size.
pub(crate) fn run(place: &Place, millions: &[i64]) -> Result<()> {
    println!("\nopen: `datalith pull` of one entity by its unique id, from start to exit");
    println!(
        "{:<14}{:>10}{:>12}{:>12}{:>14}{:>12}{:>12}",
        "datoms", "MB", "warm ms", "least ms", "warm CPU ms", "cold ms", "peak MiB"
    );
    for &millions in millions {
        let path = place.crowd(millions)?;
        let people = people_of(millions);
        let ask = |run: i64| pull(&path.to_string_lossy(), 1 + run * 7919 % people);
        ask(0)?;
        let mut warm = (1..=WARM_RUNS).map(ask).collect::<Result<Vec<_>>>()?;
        let cold = (1..=COLD_RUNS).map(|run| {
            drop_cache(&path);
            ask(WARM_RUNS + run)
        });
        let mut cold = cold.collect::<Result<Vec<_>>>()?;
        let all = warm.iter().chain(&cold);
        let peak_kib = all.map(|outcome| outcome.peak_kib).max().unwrap_or(0);
        println!(
            "{:<14}{:>10.1}{:>12.1}{:>12.1}{:>14.1}{:>12.1}{:>12.1}",
            format!("{millions} M"),
            bytes_of(&path) as f64 / 1e6,
            median_ms(&mut warm, |outcome| outcome.wall),
            warm[0].wall.as_secs_f64() * 1000.0,
            median_ms(&mut warm, |outcome| outcome.cpu),
            median_ms(&mut cold, |outcome| outcome.wall),
            peak_kib as f64 / 1024.0
        );
    }
    Ok(())
}

/// Pulls a person in a process of its own and checks what comes.
fn pull(path: &str, id: i64) -> Result<Outcome> {
    let entity = format!("[:person/id {id}]");
    let pattern = "[:person/email :person/age {:person/friend [:person/id]}]";
    let outcome = datalith(&["pull", "--db", path, "--format", "edn", pattern, &entity]);
    let person = crowd::person(id);
    let key = Value::keyword;
    let mut expected = vec![
        (key("person/email"), Value::str(&person.email)),
        (key("person/age"), Value::Long(person.age)),
    ];
    if let Some(friend) = person.friend {
        let friend = Value::map([(key("person/id"), Value::Long(friend))]);
        expected.push((key("person/friend"), friend));
    }
    assert_eq!(
        edn::read(&outcome.stdout)?,
        Value::map(expected),
        "person {id}"
    );
    Ok(outcome)
}

fn median_ms(outcomes: &mut [Outcome], time: impl Fn(&Outcome) -> Duration) -> f64 {
    outcomes.sort_by_key(|outcome| time(outcome));
    time(&outcomes[outcomes.len() / 2]).as_secs_f64() * 1000.0
}
