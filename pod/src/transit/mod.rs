//! transit+json: the payload of the pod's messages, as values and back.
//!
//! What every Babashka pod speaks: JSON whose strings carry types behind `~`, whose maps are
//! arrays after `"^ "`, and whose repeated keywords, tags and keys shrink to codes such as `^3`.
//! [`read`] makes values of it, [`write`] prints values as transit-clj does, and a [`Writer`]
//! encodes results straight from columns. Knows nothing of messages or operations.

mod cache;
mod ground;
mod json;
mod reader;
mod writer;

pub use reader::read;
pub use writer::{Writer, write};

#[cfg(test)]
mod tests {
    use datalith_engine::{Code, edn};

    use super::*;

    /// EDN to transit and back; the transit as transit-clj writes it.
    fn check(form: &str, transit: &str) {
        let value = edn::read(form).expect("EDN");
        assert_eq!(write(&value), transit);
        check_reads(transit, form);
    }

    fn check_reads(transit: &str, form: &str) {
        match read(transit.as_bytes()) {
            Ok(value) => assert_eq!(value.to_string(), form, "{transit}"),
            Err(error) => panic!("{error}: {transit}"),
        }
    }

    #[test]
    fn scalars_are_quoted_at_the_top() {
        check("nil", r#"["~#'",null]"#);
        check("-7", r#"["~#'",-7]"#);
        check("1.0E10", r#"["~#'",1.0E10]"#);
        check("-0.0", r#"["~#'",-0.0]"#);
        check("0.001", r#"["~#'",0.001]"#);
        check("##-Inf", r#"["~#'","~z-INF"]"#);
        check("9007199254740991", r#"["~#'",9007199254740991]"#);
        check("9007199254740992", r#"["~#'","~i9007199254740992"]"#);
        check(
            "-9223372036854775808",
            r#"["~#'","~i-9223372036854775808"]"#,
        );
        check("1N", r#"["~#'","~n1"]"#);
        check("1.50M", r#"["~#'","~f1.50"]"#);
        check("\\~", r#"["~#'","~c~"]"#);
        check(":a/b", r#"["~#'","~:a/b"]"#);
        check("a", r#"["~#'","~$a"]"#);
        check("#datalith/bytes \"AQI=\"", r#"["~#'","~bAQI="]"#);
        check(
            "#inst \"2020-01-01T00:00:00.000-00:00\"",
            r#"["~#'","~m1577836800000"]"#,
        );
        check(
            "#uuid \"123e4567-e89b-12d3-a456-426614174000\"",
            r#"["~#'","~u123e4567-e89b-12d3-a456-426614174000"]"#,
        );
        check(r#""~a""#, r#"["~#'","~~a"]"#);
        check(r#""^ ""#, r#"["~#'","~^ "]"#);
        check(r#""`a\"\\\né\t""#, r#"["~#'","~`a\"\\\né\t"]"#);
        check("1/3", r#"["~#ratio",["~n1","~n3"]]"#);
    }

    #[test]
    fn collections_share_their_codes() {
        check("[]", "[]");
        check("{}", r#"["^ "]"#);
        check("(1 [2])", r#"["~#list",[1,[2]]]"#);
        check("[#{1} #{2}]", r#"[["~#set",[1]],["^0",[2]]]"#);
        check(
            "[:name :name {:name \"name\"} :n :n]",
            r#"["~:name","^0",["^ ","^0","name"],"~:n","~:n"]"#,
        );
        check(
            "[{\"name\" 1} {\"name\" \"name\"}]",
            r#"[["^ ","name",1],["^ ","^0","name"]]"#,
        );
        check(
            "{1 nil, nil 1, true 2, 1.5 3, 12 4}",
            r#"["^ ","~i1",null,"~_",1,"~?t",2,"~d1.5",3,"~i12",4]"#,
        );
        check("[{100 1} {100 2}]", r#"[["^ ","~i100",1],["^ ","^0",2]]"#);
        check("{[1] 2, :abc 3}", r#"["~#cmap",[[1],2,"~:abc",3]]"#);
        check("#my/tag {:a 1}", r#"["~#my/tag",["^ ","~:a",1]]"#);
        check("[#r \"http://a\"]", r#"["~rhttp://a"]"#);
    }

    #[test]
    fn other_writers_are_understood() {
        check_reads(
            r#" { "~#set" : [ 1 , {"~:a": "~t2020-01-01T00:00:00.000Z"} ] } "#,
            "#{1 {:a #inst \"2020-01-01T00:00:00.000-00:00\"}}",
        );
        check_reads(r#"["~#with-meta",[[1],["^ ","~:a",1]]]"#, "[1]");
        check_reads(r#"["~#m",0]"#, "#inst \"1970-01-01T00:00:00.000-00:00\"");
        check_reads(
            r#"["~#inst","2020"]"#,
            "#inst \"2020-01-01T00:00:00.000-00:00\"",
        );
        check_reads(
            r#"["~#u",[1,-1]]"#,
            "#uuid \"00000000-0000-0001-ffff-ffffffffffff\"",
        );
        check_reads(
            r#"[12345678901234567890,"~n007","\ud83d\ude00\u00e9\/"]"#,
            "[12345678901234567890N 7N \"😀é/\"]",
        );
        let floats = edn::read("[#datalith/floats [0.5 ##NaN]]").expect("EDN");
        assert_eq!(write(&floats), r#"[[0.5,"~zNaN"]]"#);
    }

    #[test]
    fn wrong_texts_say_where() {
        for (text, start, message) in [
            ("", 0, "The text holds no value"),
            ("[1,2", 0, "The text ends inside"),
            ("[1 2]", 3, "Expected `,`"),
            ("[1,]", 3, "Expected a value"),
            ("[1]]", 3, "Expected the end"),
            ("{1:2}", 1, "The keys of an object"),
            (r#"{"a" 1}"#, 5, "Expected `:`"),
            ("[01]", 1, "Expected a value"),
            ("[1e400]", 1, "The number"),
            ("[nul]", 1, "Expected a value"),
            ("[\"a", 1, "The text ends inside a string"),
            (r#"["\ud800"]"#, 2, "Invalid escape"),
            (r#"["^0"]"#, 1, "The cache code ^0"),
            (r#"["~:abc","^1"]"#, 9, "The cache code ^1"),
            (r#"["^"]"#, 1, "The cache code ^"),
            (r#"["^ ","~:a"]"#, 0, "A map must hold"),
            (r#"["^ ","~:a",1,"~:a",2]"#, 0, "Duplicate key in a map: :a"),
            (r#"["~#set",[1,1]]"#, 0, "Duplicate element in a set: 1"),
            (r#"["~#set",1]"#, 0, "A set needs"),
            (r#"["~#set",[1],[2]]"#, 0, "A tag needs one value"),
            (r#"["~#cmap",[1]]"#, 0, "A map must hold"),
            (r#"["~#ratio",["~n1","~n0"]]"#, 0, "A ratio needs"),
            (r#"[1,"~#set"]"#, 3, "A tag or map marker"),
            (r#"["~i1x"]"#, 1, "Invalid value after ~i: 1x"),
            (r#"["~u1"]"#, 1, "Invalid value after ~u"),
            (r#"["~:"]"#, 1, "Invalid value after ~:"),
        ] {
            let error = read(text.as_bytes()).expect_err(text);
            assert_eq!(error.code(), Code::TransitSyntax, "{text}");
            assert!(error.message().starts_with(message), "{error}: {text}");
            assert_eq!(error.span().map(|span| span.start), Some(start), "{text}");
        }
    }

    #[test]
    fn hostile_texts_meet_a_limit() {
        for text in [
            "[".repeat(1_000_000),
            r#"["~#a","#.repeat(100_000),
            r#"{"a":"#.repeat(100_000),
        ] {
            assert_eq!(
                read(text.as_bytes()).expect_err("deep").code(),
                Code::TransitLimit
            );
        }
        assert!(read(&[b'"', 0xff, b'"']).is_err());
        assert!(read(format!("[{}]", "9".repeat(1_000_000)).as_bytes()).is_err());
    }
}
