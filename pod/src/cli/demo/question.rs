//! What the demo asks.

use std::time::{Duration, Instant};

use datalith_engine::exec::{self, Answer, Input, QueryOptions};
use datalith_engine::{Db, Value, edn, query};

use super::super::fault::Fault;
use super::super::listing::Listing;

/// A query with its rules and further inputs.
pub(super) struct Question {
    /// What it shows.
    pub(super) title: &'static str,
    /// As a user writes it.
    pub(super) query: &'static str,
    /// What `%` stands for.
    pub(super) rules: Option<&'static str>,
    /// The inputs after the database and the rules.
    pub(super) inputs: &'static [&'static str],
}

/// A flight, and all airports that flights lead to.
const REACH: &str = "\
[[(flight ?a ?b) [?r :route/from ?a] [?r :route/to ?b]]
 [(reach ?a ?b) (flight ?a ?b)]
 [(reach ?a ?b) (reach ?a ?via) (flight ?via ?b)]]";

/// A flight, and all airports at most so many flights away.
const WITHIN: &str = "\
[[(flight ?a ?b) [?r :route/from ?a] [?r :route/to ?b]]
 [(within [?a ?hops] ?b) [(>= ?hops 1)] (flight ?a ?b)]
 [(within [?a ?hops] ?b) [(> ?hops 1)] [(dec ?hops) ?fewer]
                         (within ?a ?fewer ?via) (flight ?via ?b)]]";

/// What is pulled.
pub(super) const PULL_PATTERN: &str = "\
[:airport/name :airport/elevation-ft
          {:airport/country [:country/name]}
          {(:route/_from :limit 3) [:route/miles {:route/to [:airport/code :airport/city]}]}]";

/// The questions, in the order they are asked.
pub(super) const QUESTIONS: &[Question] = &[
    Question {
        title: "A join: nonstop flights of more than 8,900 miles, with the countries at both ends",
        query: "\
[:find ?miles ?from ?from-country ?to ?to-country
 :where [?r :route/miles ?miles] [(> ?miles 8900)]
        [?r :route/from ?a] [?a :airport/code ?from] [?a :airport/country ?ac] [?ac :country/name ?from-country]
        [?r :route/to ?b] [?b :airport/code ?to] [?b :airport/country ?bc] [?bc :country/name ?to-country]
        [(< ?from ?to)]
 :order-by ?miles :desc ?from]",
        rules: None,
        inputs: &[],
    },
    Question {
        title: "Grouped aggregates: the airports of each continent",
        query: "\
[:find ?continent (count ?a) (sum ?runways) (max ?feet) (avg ?feet)
 :where [?a :airport/continent ?c] [?c :continent/name ?continent]
        [?a :airport/runways ?runways] [?a :airport/elevation-ft ?feet]
 :order-by 1 :desc]",
        rules: None,
        inputs: &[],
    },
    Question {
        title: "Grouped and joined: the busiest airports",
        query: "\
[:find ?code ?city (count ?r)
 :where [?r :route/from ?a] [?a :airport/code ?code] [?a :airport/city ?city]
 :order-by 2 :desc ?code :limit 5]",
        rules: None,
        inputs: &[],
    },
    Question {
        title: "A recursive rule: how many airports are within 1 to 5 flights of Svalbard",
        query: "\
[:find ?hops (count ?b)
 :in $ % [?hops ...]
 :where [?a :airport/code \"LYR\"] (within ?a ?hops ?b)
 :order-by ?hops]",
        rules: Some(WITHIN),
        inputs: &["[1 2 3 4 5]"],
    },
    Question {
        title: "Reachability: how many airports any number of flights lead to",
        query: "\
[:find (count ?b) .
 :in $ %
 :where [?a :airport/code \"LYR\"] (reach ?a ?b)]",
        rules: Some(REACH),
        inputs: &[],
    },
    Question {
        title: "Negation: airports of Europe that no route leads to",
        query: "\
[:find ?code ?city
 :where [?eu :continent/code \"EU\"] [?a :airport/continent ?eu]
        [?a :airport/code ?code] [?a :airport/city ?city]
        (not [_ :route/to ?a])
 :order-by ?code]",
        rules: None,
        inputs: &[],
    },
];

impl Question {
    /// The answer and the time it took.
    pub(super) fn answer(&self, db: &Db) -> Result<(Answer, Duration), Fault> {
        let mut inputs = vec![Input::Db(db.clone())];
        for input in self.rules.iter().chain(self.inputs) {
            inputs.push(Input::Value(edn::read(input)?));
        }
        let started = Instant::now();
        let answer = exec::q(&Value::str(self.query), &inputs, &QueryOptions::default())?;
        Ok((answer, started.elapsed()))
    }

    /// Its rows under their headings.
    pub(super) fn listing<'a>(&self, answer: &'a Answer) -> Result<Listing<'a>, Fault> {
        Ok(Listing::of_answer(
            answer,
            &query::parse(&edn::read(self.query)?, None)?,
        ))
    }

    /// What is run, as text.
    pub(super) fn shown(&self) -> String {
        let mut shown = self.query.to_owned();
        if let Some(rules) = self.rules {
            shown.push_str(&format!("\n\nwhere % is\n\n{rules}"));
        }
        for input in self.inputs {
            shown.push_str(&format!("\n\nand ?hops are {input}"));
        }
        shown
    }
}
