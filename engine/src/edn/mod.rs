//! EDN: text in, [`Value`]s out, and back.
//!
//! The first stage of the path: everything a person or a client writes comes through here. Reads
//! the whole language as Clojure's own reader does, and keeps byte spans for those who report
//! errors. Knows nothing of queries or transactions, and never evaluates anything: a tag nobody
//! knows stays a [`Value::Tagged`].
//!
//! Beyond Clojure: `#"…"` reads as a pattern, `#bytes "…"` (base64) as bytes, and three tags of
//! our own carry what Clojure cannot print: `#datalith/bytes`, `#datalith/floats`,
//! `#datalith/doubles`. Stricter than Clojure: a double too large for 64 bits is an error, and
//! every count has a limit (see [`crate::limits`]).

pub mod base64;
mod escape;
mod instant;
mod name;
mod number;
mod position;
mod printer;
mod reader;
mod scan;
mod tagged;
mod token;

pub use instant::{instant_text, parse_instant};
pub use number::{double_text, parse_number};
pub use position::{LineColumn, SpanTree, line_column};
pub use printer::display_str;
pub use reader::Forms;
pub use tagged::parse_uuid;

use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Reads the one form of a text; anything but blanks and comments after it is an error.
///
/// ```
/// use datalith_engine::edn;
/// assert_eq!(edn::read("[:a 1.0] ; done")?.to_string(), "[:a 1.0]");
/// # Ok::<(), datalith_engine::Error>(())
/// ```
///
/// Errors: `EdnSyntax` and `EdnLimit`, with the bytes at fault.
pub fn read(text: &str) -> Result<Value> {
    only_form(&mut Forms::of_text(text)?)
}

/// Reads every form of a text.
pub fn read_all(text: &str) -> Result<Vec<Value>> {
    Forms::of_text(text)?.collect()
}

/// Reads the one form of a text, with the bytes of each part.
pub fn read_spanned(text: &str) -> Result<(Value, SpanTree)> {
    let mut forms = Forms::of_text(text)?.with_spans();
    let value = only_form(&mut forms)?;
    Ok((value, forms.take_spans()))
}

fn only_form(forms: &mut Forms<'_>) -> Result<Value> {
    let Some(value) = forms.next() else {
        return Err(Error::new(Code::EdnSyntax, "The text holds no form").at(forms.last_span()));
    };
    let value = value?;
    match forms.next() {
        None => Ok(value),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) => Err(Error::new(
            Code::EdnSyntax,
            "Expected one form, found another after it",
        )
        .at(forms.last_span())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, printed: &str) {
        match read(text) {
            Ok(value) => assert_eq!(value.to_string(), printed, "{text}"),
            Err(error) => panic!("{error}: {text}"),
        }
    }

    /// `expected`: the bytes at fault, then the start of the message.
    fn check_fails(text: &str, expected: (&str, &str)) {
        let error = read(text).expect_err(text);
        let at = error.span().map_or("", |span| &text[span.start..span.end]);
        assert!(error.message().starts_with(expected.1), "{error}: {text}");
        assert_eq!(at, expected.0, "{text}");
    }

    #[test]
    fn forms_print_as_in_clojure() {
        check(
            " , [nil true :a/b c \"d\"] ; end",
            "[nil true :a/b c \"d\"]",
        );
        check("(1, 2 #_ 3 #_#_ 4 5 #_6)", "(1 2)");
        check("#_x{:a 1 :b #{2}}", "{:a 1, :b #{2}}");
        check(
            "#:p{:a 1 :q/b 2 :_/c 3 \"d\" 4 e 5}",
            "{:p/a 1, :q/b 2, :c 3, \"d\" 4, p/e 5}",
        );
        check("^:private ^{:doc \"x\"} [^String s]", "[s]");
        check(
            "[\\a \\space \\u00e9 \\o101 \\( \\\\]",
            "[\\a \\space \\é \\A \\( \\\\]",
        );
        check(r#""\u0041\101\t\ud83d\ude00\\""#, "\"AA\\t😀\\\\\"");
        check(
            "[##Inf ##-Inf ##NaN 1.0 1e10]",
            "[##Inf ##-Inf ##NaN 1.0 1.0E10]",
        );
        check("#inst \"2020\"", "#inst \"2020-01-01T00:00:00.000-00:00\"");
        check(
            "#uuid \"1-2-3-4-5\"",
            "#uuid \"00000001-0002-0003-0004-000000000005\"",
        );
        check("#my/tag #_ 1 #t [2]", "#my/tag #t [2]");
        check("#bytes \"AQI=\"", "#datalith/bytes \"AQI=\"");
        check(
            "#datalith/floats [1 0.5 ##NaN]",
            "#datalith/floats [1.0 0.5 ##NaN]",
        );
        check(r##"#"a\"\d""##, r##"#"a\"\d""##);
    }

    #[test]
    fn errors_point_at_their_cause() {
        check_fails("", ("", "The text holds no form"));
        check_fails("[1] 2", ("2", "Expected one form"));
        check_fails(
            "[1 (2",
            (
                "(",
                "The text ends too early: expected `)` to close the list",
            ),
        );
        check_fails("[1 (2]", ("]", "Expected `)` to close the list, found `]`"));
        check_fails("[#_]", ("]", "Expected a form after the `#_`"));
        check_fails(
            "{:a 1 :b}",
            ("{:a 1 :b}", "A map must hold a value for each key"),
        );
        check_fails("{:a 1 :a 2}", ("{:a 1 :a 2}", "Duplicate key in a map: :a"));
        check_fails("#{1 1N}", ("#{1 1N}", "Duplicate element in a set: 1"));
        check_fails("[::a]", ("::a", "Invalid token: ::a"));
        check_fails("[a @b]", ("@", "`@` cannot be part of a form"));
        check_fails(
            "#::a{}",
            ("#::a", "A map with a namespace needs a plain symbol"),
        );
        check_fails("[\"a\\q\"]", ("\\q", "Unknown escape `\\q`"));
        check_fails(
            "\"\\ud800\"",
            ("\\ud800", "\\ud800 is one half of a character"),
        );
        check_fails("[1 \"a", ("\"", "The text ends inside the string"));
        check_fails(
            "#inst \"99999-01-01\"",
            ("\"99999-01-01\"", "Unrecognized date/time"),
        );
        check_fails("^:a 1", ("1", "Metadata can only be applied"));
        check_fails(
            "[1e400]",
            ("1e400", "The number 1e400 does not fit a double"),
        );
    }

    #[test]
    fn spans_of_duplicates_are_exact_where_kept() {
        let error = read_spanned("{:a 1, :b 2, :a 3}").expect_err("twice :a");
        assert_eq!(error.span().map(|span| span.start), Some(13));
    }
}
