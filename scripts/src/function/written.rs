//! The forms in which a function is written, brought into one.

/// A function as a script with one that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The script.
    pub(super) script: String,
    /// The name of the function in it.
    pub(super) name: String,
    /// Columns by which the first line was moved to the right.
    pub(super) shift: usize,
}

/// Name of functions that have none of their own.
const NAME: &str = "f";

/// Reads a source that is kept under a name, `my/score`.
pub(super) fn written(kept_as: &str, source: &str) -> Written {
    let lead = source.len() - source.trim_start().len();
    let (blank, text) = source.split_at(lead);
    if let Some(rest) = text.strip_prefix("||") {
        return closure(blank, "", rest);
    }
    if let Some((params, body)) = text.strip_prefix('|').and_then(|rest| rest.split_once('|')) {
        return closure(blank, params, body);
    }
    let unnamed = text
        .strip_prefix("fn")
        .filter(|rest| rest.trim_start().starts_with('('));
    if let Some(rest) = unnamed {
        let added = format!(" {NAME}");
        return Written {
            script: format!("{blank}fn{added}{rest}"),
            name: NAME.to_owned(),
            shift: if blank.contains('\n') { 0 } else { added.len() },
        };
    }
    let local = kept_as.rsplit('/').next().unwrap_or(kept_as);
    let name = local.trim_end_matches(['?', '!']).replace('-', "_");
    Written {
        script: source.to_owned(),
        name,
        shift: 0,
    }
}

/// `|x| body` as `fn f(x) {body}`.
fn closure(blank: &str, params: &str, body: &str) -> Written {
    let head = format!("fn {NAME}({params}) {{");
    let was = params.len() + 2;
    Written {
        script: format!("{blank}{head}{body}\n}}"),
        name: NAME.to_owned(),
        shift: if blank.contains('\n') {
            0
        } else {
            head.len() - was
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, script: &str, name: &str) {
        let written = written("my/big-one?", source);
        assert_eq!(
            (written.script.as_str(), written.name.as_str()),
            (script, name)
        );
    }

    #[test]
    fn every_form_becomes_a_named_function() {
        check("|x| x + 1", "fn f(x) { x + 1\n}", "f");
        check("|| 1", "fn f() { 1\n}", "f");
        check("fn(x, y) { x }", "fn f(x, y) { x }", "f");
        check("fn big_one(x) { x }", "fn big_one(x) { x }", "big_one");
    }
}
