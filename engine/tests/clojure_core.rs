//! Every line of `clojure_core.txt` is a call and what Clojure 1.11 answers, or `!` and the kind of
//! exception it throws. Lists in calls are calls, unless quoted; symbols name functions.

use datalith_engine::value::Value;
use datalith_engine::{Code, Error, edn, function};

#[test]
fn functions_answer_as_clojure_does() {
    let lines = include_str!("clojure_core.txt").lines();
    let wrong: Vec<String> = lines
        .filter(|line| !line.is_empty() && !line.starts_with(';'))
        .filter_map(|line| {
            let (call, expected) = line.rsplit_once(" => ").expect("a line has an arrow");
            let form = edn::read(call).expect("a call reads");
            let answer = evaluate(&form);
            (!agrees(&answer, expected)).then(|| match &answer {
                Ok(value) => format!("{line}\n    ours: {value}"),
                Err(error) => format!("{line}\n    ours: !{} {error}", cause(error)),
            })
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn agrees(answer: &Result<Value, Error>, expected: &str) -> bool {
    match (answer, expected.strip_prefix('!')) {
        (Err(error), Some(kind)) => cause(error) == kind,
        (Ok(value @ (Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_))), None) => {
            edn::read(expected).is_ok_and(|wanted| {
                *value == wanted && std::mem::discriminant(value) == std::mem::discriminant(&wanted)
            })
        }
        (Ok(value), None) => value.to_string() == expected,
        _ => false,
    }
}

fn cause(error: &Error) -> &str {
    let found = error.data().iter().find(|(key, _)| *key == "cause");
    found
        .and_then(|(_, value)| value.as_keyword())
        .map_or("?", |k| k.as_str())
}

fn evaluate(form: &Value) -> Result<Value, Error> {
    let Value::List(items) = form else {
        return Ok(form.clone());
    };
    let Some((Value::Symbol(name), args)) = items.split_first() else {
        return Ok(form.clone());
    };
    if name.as_str() == "quote" {
        return Ok(args[0].clone());
    }
    let args = args.iter().map(evaluate).collect::<Result<Vec<_>, _>>()?;
    let function = function::lookup(name.as_str())
        .ok_or_else(|| Error::new(Code::QueryWhere, format!("unknown function {name}")))?;
    function.call(&args)
}
