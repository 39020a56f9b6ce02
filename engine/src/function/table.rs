//! The table itself: every name, how many arguments it takes, and a line on what it gives.

use std::fmt;

use super::{
    aggregate, arithmetic, callable, collection, compare, convert, format, graph, lookup, name,
    predicate, print, random, regex, sequence, text, vector,
};
use crate::error::Result;
use crate::value::Value;

/// A row of the table.
pub struct Entry {
    /// As a query writes it; `clojure.core/` is left out.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arity: Arity,
    /// What it gives, in one line.
    pub doc: &'static str,
    pub(super) run: Run,
}

pub(super) type Run = fn(&[Value]) -> Result<Value>;

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    least: usize,
    most: Option<usize>,
}

impl Arity {
    /// Whether it takes `count` arguments.
    pub fn takes(self, count: usize) -> bool {
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }
}

impl fmt::Display for Arity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most {
            None => write!(f, "{} or more", self.least),
            Some(most) if most == self.least => write!(f, "{most}"),
            Some(most) => write!(f, "{} to {most}", self.least),
        }
    }
}

/// All functions, by subject.
pub fn table() -> &'static [Entry] {
    TABLE
}

/// Why a name that Clojure or Datahike would resolve is not in the table; none for a name that
/// neither knows.
pub fn absence(name: &str) -> Option<&'static str> {
    let bare = name.strip_prefix("clojure.core/").unwrap_or(name);
    if bare.starts_with('.') || bare.ends_with('.') {
        return Some("methods and constructors of a host language do not exist here");
    }
    if bare.starts_with(|c: char| c.is_ascii_uppercase()) && bare.contains('/') {
        return Some("static methods of a host language do not exist here");
    }
    ABSENT
        .iter()
        .find(|(names, _)| names.contains(&bare))
        .map(|(_, why)| *why)
}

const ABSENT: &[(&[&str], &str)] = &[
    (
        &[
            "iterate",
            "cycle",
            "repeatedly",
            "lazy-seq",
            "line-seq",
            "iterator-seq",
            "tree-seq",
        ],
        "endless and lazy sequences do not exist here",
    ),
    (
        &[
            "comp",
            "partial",
            "complement",
            "constantly",
            "juxt",
            "fnil",
            "every-pred",
            "some-fn",
            "memoize",
        ],
        "functions are no values here, so none can be made; name one of the table by its symbol",
    ),
    (
        &[
            "atom",
            "deref",
            "reset!",
            "swap!",
            "ref",
            "agent",
            "future",
            "promise",
            "deliver",
            "volatile!",
        ],
        "a query has no state to change",
    ),
    (
        &[
            "slurp",
            "spit",
            "print",
            "println",
            "pr",
            "prn",
            "printf",
            "read-line",
            "flush",
        ],
        "a query neither reads nor writes outside the database",
    ),
    (
        &[
            "eval",
            "read-string",
            "load-string",
            "resolve",
            "requiring-resolve",
            "require",
            "load-file",
        ],
        "a query runs no code but its own clauses",
    ),
];

const fn exactly(count: usize) -> Arity {
    Arity {
        least: count,
        most: Some(count),
    }
}

const fn between(least: usize, most: usize) -> Arity {
    Arity {
        least,
        most: Some(most),
    }
}

const fn at_least(least: usize) -> Arity {
    Arity { least, most: None }
}

const fn row(name: &'static str, arity: Arity, run: Run, doc: &'static str) -> Entry {
    Entry {
        name,
        arity,
        doc,
        run,
    }
}

#[rustfmt::skip]
const TABLE: &[Entry] = &[
    // Equality and order.
    row("=", at_least(1), compare::equal, "Whether all are equal; 1 is not 1.0."),
    row("==", at_least(1), compare::same_number, "Whether all numbers are equal in value, whatever their types."),
    row("not=", at_least(1), compare::not_equal, "Whether any differs."),
    row("!=", at_least(1), compare::not_equal, "The same as not=."),
    row("<", at_least(1), compare::less, "Whether each comes before the next: numbers, instants, text, names."),
    row("<=", at_least(1), compare::less_or_equal, "Whether none comes after the next."),
    row(">", at_least(1), compare::greater, "Whether each comes after the next."),
    row(">=", at_least(1), compare::greater_or_equal, "Whether none comes before the next."),
    row("before?", at_least(1), compare::less, "The same as <."),
    row("after?", at_least(1), compare::greater, "The same as >."),
    row("compare", exactly(2), compare::compare, "Negative, zero or positive, as Java compares."),
    row("identical?", exactly(2), compare::identical, "Whether both are the same value, collections by storage."),
    row("-differ?", at_least(0), compare::differ, "Whether the first half of the arguments differs from the second."),
    // Arithmetic.
    row("+", at_least(0), arithmetic::add, "The sum; an error where a long overflows."),
    row("-", at_least(1), arithmetic::subtract, "The difference, or the negation of one number."),
    row("*", at_least(0), arithmetic::multiply, "The product; an error where a long overflows."),
    row("/", at_least(1), arithmetic::divide, "The quotient: a ratio where longs do not divide."),
    row("+'", at_least(0), arithmetic::add_promoting, "The sum, as large as it gets."),
    row("-'", at_least(1), arithmetic::subtract_promoting, "The difference, as large as it gets."),
    row("*'", at_least(0), arithmetic::multiply_promoting, "The product, as large as it gets."),
    row("inc", exactly(1), arithmetic::inc, "One more."),
    row("inc'", exactly(1), arithmetic::inc_promoting, "One more, as large as it gets."),
    row("dec", exactly(1), arithmetic::dec, "One less."),
    row("dec'", exactly(1), arithmetic::dec_promoting, "One less, as small as it gets."),
    row("unchecked-add", exactly(2), arithmetic::unchecked_add, "The sum of two longs, wrapping around."),
    row("unchecked-subtract", exactly(2), arithmetic::unchecked_subtract, "The difference of two longs, wrapping around."),
    row("unchecked-multiply", exactly(2), arithmetic::unchecked_multiply, "The product of two longs, wrapping around."),
    row("quot", exactly(2), arithmetic::quot, "The quotient towards zero."),
    row("rem", exactly(2), arithmetic::rem, "What quot leaves, with the sign of the first."),
    row("mod", exactly(2), arithmetic::modulo, "What a division downwards leaves, with the sign of the second."),
    row("abs", exactly(1), arithmetic::abs, "Without its sign."),
    row("max", at_least(1), aggregate::greatest, "The greatest of a collection, the n greatest of one, or of numbers."),
    row("min", at_least(1), aggregate::least, "The least of a collection, the n least of one, or of numbers."),
    row("numerator", exactly(1), arithmetic::numerator, "The numerator of a ratio."),
    row("denominator", exactly(1), arithmetic::denominator, "The denominator of a ratio."),
    row("rationalize", exactly(1), arithmetic::rationalize, "The exact ratio of a double's or decimal's digits."),
    row("bit-and", at_least(2), arithmetic::bit_and, "Bitwise and."),
    row("bit-or", at_least(2), arithmetic::bit_or, "Bitwise or."),
    row("bit-xor", at_least(2), arithmetic::bit_xor, "Bitwise exclusive or."),
    row("bit-and-not", at_least(2), arithmetic::bit_and_not, "Bitwise and with the complement."),
    row("bit-not", exactly(1), arithmetic::bit_not, "Bitwise complement."),
    row("bit-shift-left", exactly(2), arithmetic::bit_shift_left, "Shifted left."),
    row("bit-shift-right", exactly(2), arithmetic::bit_shift_right, "Shifted right, keeping the sign."),
    row("unsigned-bit-shift-right", exactly(2), arithmetic::unsigned_bit_shift_right, "Shifted right, filling with zeros."),
    row("bit-set", exactly(2), arithmetic::bit_set, "With bit n set."),
    row("bit-clear", exactly(2), arithmetic::bit_clear, "With bit n cleared."),
    row("bit-flip", exactly(2), arithmetic::bit_flip, "With bit n flipped."),
    row("bit-test", exactly(2), arithmetic::bit_test, "Whether bit n is set."),
    row("rand", between(0, 1), random::rand, "A random double from 0 up to 1, or to n."),
    row("rand-int", exactly(1), random::rand_int, "A random integer from 0 up to n."),
    row("rand-nth", exactly(1), sequence::rand_nth, "A random item."),
    row("shuffle", exactly(1), sequence::shuffle, "A vector of the items in random order."),
    row("random-uuid", exactly(0), random::random_uuid, "A random UUID."),
    // Conversion.
    row("long", exactly(1), convert::long, "A long, towards zero; a character's code."),
    row("int", exactly(1), convert::int, "A long in the range of an int."),
    row("short", exactly(1), convert::short, "A long in the range of a short."),
    row("byte", exactly(1), convert::byte, "A long in the range of a byte."),
    row("double", exactly(1), convert::double, "A double."),
    row("float", exactly(1), convert::float, "A 32-bit float."),
    row("num", exactly(1), convert::number, "The number itself."),
    row("bigint", exactly(1), convert::bigint, "An integer of any size, from a number or text."),
    row("biginteger", exactly(1), convert::bigint, "The same as bigint."),
    row("bigdec", exactly(1), convert::bigdec, "A decimal, from a number or text."),
    row("char", exactly(1), convert::char, "The character of a code."),
    row("boolean", exactly(1), convert::boolean, "False for nil and false, else true."),
    row("parse-long", exactly(1), convert::parse_long, "The long in the text, or nil."),
    row("parse-double", exactly(1), convert::parse_double, "The double in the text, or nil."),
    row("parse-boolean", exactly(1), convert::parse_boolean, "True or false if the text says so, or nil."),
    row("parse-uuid", exactly(1), convert::parse_uuid, "The UUID in the text, or nil."),
    row("inst-ms", exactly(1), name::inst_ms, "The milliseconds of an instant since 1970."),
    row("byte-array", exactly(1), convert::byte_array, "Bytes, from numbers."),
    row("float-array", exactly(1), convert::float_array, "An array of 32-bit floats, from numbers."),
    row("double-array", exactly(1), convert::double_array, "An array of doubles, from numbers."),
    // Vectors.
    row("similarity", between(2, 3), vector::similarity, "How alike two vectors are: the cosine, or the inner product."),
    row("vector-distance", between(2, 3), vector::vector_distance, "How far apart two vectors are, as an index measures it."),
    // Logic.
    row("not", exactly(1), predicate::not, "Whether it is nil or false."),
    row("and", at_least(0), predicate::and, "The first that is nil or false, or the last."),
    row("or", at_least(0), predicate::or, "The first that is neither nil nor false, or the last."),
    row("true?", exactly(1), predicate::is_true, "Whether it is true."),
    row("false?", exactly(1), predicate::is_false, "Whether it is false."),
    row("nil?", exactly(1), predicate::is_nil, "Whether it is nil."),
    row("some?", exactly(1), predicate::is_some, "Whether it is not nil."),
    row("any?", exactly(1), predicate::any, "True."),
    // Kinds of numbers.
    row("number?", exactly(1), predicate::is_numeric, "Whether it is a number."),
    row("integer?", exactly(1), predicate::is_integer, "Whether it is an integer of any size."),
    row("int?", exactly(1), predicate::is_fixed_integer, "Whether it is an integer of 64 bits."),
    row("pos-int?", exactly(1), predicate::is_positive_int, "Whether it is a long above zero."),
    row("neg-int?", exactly(1), predicate::is_negative_int, "Whether it is a long below zero."),
    row("nat-int?", exactly(1), predicate::is_natural_int, "Whether it is a long of zero or more."),
    row("float?", exactly(1), predicate::is_float, "Whether it is a float of 32 or 64 bits."),
    row("double?", exactly(1), predicate::is_double, "Whether it is a double."),
    row("decimal?", exactly(1), predicate::is_decimal, "Whether it is a decimal."),
    row("ratio?", exactly(1), predicate::is_ratio, "Whether it is a ratio."),
    row("rational?", exactly(1), predicate::is_rational, "Whether it is an integer, a ratio or a decimal."),
    row("zero?", exactly(1), predicate::is_zero, "Whether it is zero."),
    row("pos?", exactly(1), predicate::is_positive, "Whether it is above zero."),
    row("neg?", exactly(1), predicate::is_negative, "Whether it is below zero."),
    row("even?", exactly(1), predicate::is_even, "Whether the integer is even."),
    row("odd?", exactly(1), predicate::is_odd, "Whether the integer is odd."),
    row("NaN?", exactly(1), predicate::is_nan, "Whether it is not a number."),
    row("infinite?", exactly(1), predicate::is_infinite, "Whether it is an infinity."),
    // Kinds of values.
    row("boolean?", exactly(1), predicate::is_boolean, "Whether it is true or false."),
    row("string?", exactly(1), predicate::is_string, "Whether it is a string."),
    row("char?", exactly(1), predicate::is_char, "Whether it is a character."),
    row("keyword?", exactly(1), predicate::is_keyword, "Whether it is a keyword."),
    row("symbol?", exactly(1), predicate::is_symbol, "Whether it is a symbol."),
    row("ident?", exactly(1), predicate::is_ident, "Whether it is a keyword or a symbol."),
    row("simple-ident?", exactly(1), predicate::is_simple, "Whether it is a name without a namespace."),
    row("qualified-ident?", exactly(1), predicate::is_qualified, "Whether it is a name with a namespace."),
    row("simple-keyword?", exactly(1), predicate::is_simple_keyword, "Whether it is a keyword without a namespace."),
    row("qualified-keyword?", exactly(1), predicate::is_qualified_keyword, "Whether it is a keyword with a namespace."),
    row("simple-symbol?", exactly(1), predicate::is_simple_symbol, "Whether it is a symbol without a namespace."),
    row("qualified-symbol?", exactly(1), predicate::is_qualified_symbol, "Whether it is a symbol with a namespace."),
    row("uuid?", exactly(1), predicate::is_uuid, "Whether it is a UUID."),
    row("inst?", exactly(1), predicate::is_inst, "Whether it is an instant."),
    row("uri?", exactly(1), predicate::never, "False: there are no URIs."),
    row("bytes?", exactly(1), predicate::is_bytes, "Whether it is bytes."),
    row("coll?", exactly(1), predicate::is_collection, "Whether it is a list, vector, map or set."),
    row("sequential?", exactly(1), predicate::is_sequential, "Whether it is a list or a vector."),
    row("seq?", exactly(1), predicate::is_list, "Whether it is a list."),
    row("list?", exactly(1), predicate::is_list, "Whether it is a list."),
    row("vector?", exactly(1), predicate::is_vector, "Whether it is a vector."),
    row("map?", exactly(1), predicate::is_map, "Whether it is a map."),
    row("set?", exactly(1), predicate::is_set, "Whether it is a set."),
    row("associative?", exactly(1), predicate::is_associative, "Whether it is a map or a vector."),
    row("indexed?", exactly(1), predicate::is_vector, "Whether it is a vector."),
    row("counted?", exactly(1), predicate::is_counted, "Whether it is a collection."),
    row("reversible?", exactly(1), predicate::is_reversible, "Whether it is a vector."),
    row("seqable?", exactly(1), predicate::is_seqable, "Whether seq takes it."),
    row("ifn?", exactly(1), predicate::is_callable, "Whether it can be called: a name, map, set or vector."),
    row("fn?", exactly(1), predicate::never, "False: functions are no values."),
    row("tagged-literal?", exactly(1), predicate::is_tagged_literal, "Whether it is a value with an unknown tag."),
    row("empty?", exactly(1), predicate::is_empty, "Whether it has no items."),
    row("distinct?", at_least(1), predicate::is_distinct, "Whether no two arguments are equal."),
    // Names.
    row("identity", exactly(1), name::identity, "Its argument."),
    row("ground", exactly(1), name::identity, "Its argument."),
    row("untuple", exactly(1), name::identity, "Its argument, a tuple to take apart."),
    row("meta", exactly(1), name::nothing, "Nil: values carry no metadata."),
    row("type", exactly(1), name::class, "The name of the class as a symbol."),
    row("class", exactly(1), name::class, "The name of the class as a symbol."),
    row("name", exactly(1), name::name, "The name of a keyword or symbol; text itself."),
    row("namespace", exactly(1), name::namespace, "The namespace of a keyword or symbol, or nil."),
    row("keyword", between(1, 2), name::keyword, "A keyword from a name, or a namespace and a name."),
    row("symbol", between(1, 2), name::symbol, "A symbol from a name, or a namespace and a name."),
    row("hash", exactly(1), name::hash, "The 32-bit number Clojure gives, equal for equal values."),
    // Text.
    row("str", at_least(0), print::str, "The arguments as one text; nil is empty."),
    row("pr-str", at_least(0), print::pr_str, "The arguments as they read back."),
    row("prn-str", at_least(0), print::prn_str, "The arguments as they read back, and a newline."),
    row("print-str", at_least(0), print::print_str, "The arguments for people, strings bare."),
    row("println-str", at_least(0), print::println_str, "The arguments for people, and a newline."),
    row("format", at_least(1), format::format, "Text from a template as Java's: %s %d %5.2f %x …"),
    row("subs", between(2, 3), text::subs, "The text from one index up to another."),
    row("re-pattern", exactly(1), regex::re_pattern, "A pattern from text."),
    row("re-find", exactly(2), regex::re_find, "The first match, with its groups as a vector."),
    row("re-matches", exactly(2), regex::re_matches, "The match of the whole text, with its groups as a vector."),
    row("re-seq", exactly(2), regex::re_seq, "All matches."),
    row("clojure.string/blank?", exactly(1), text::is_blank, "Whether it is nil, empty or only white space."),
    row("clojure.string/capitalize", exactly(1), text::capitalize, "The first letter upper case, the rest lower."),
    row("clojure.string/ends-with?", exactly(2), text::ends_with, "Whether the text ends with another."),
    row("clojure.string/escape", exactly(2), text::escape, "Each character replaced by what a map gives."),
    row("clojure.string/includes?", exactly(2), text::includes, "Whether the text contains another."),
    row("clojure.string/index-of", between(2, 3), text::index_of, "Where the text first contains another, or nil."),
    row("clojure.string/join", between(1, 2), text::join, "The items as one text, with a separator."),
    row("clojure.string/last-index-of", between(2, 3), text::last_index_of, "Where the text last contains another, or nil."),
    row("clojure.string/lower-case", exactly(1), text::lower_case, "In lower case."),
    row("clojure.string/replace", exactly(3), text::replace, "Every match replaced."),
    row("clojure.string/replace-first", exactly(3), text::replace_first, "The first match replaced."),
    row("clojure.string/reverse", exactly(1), text::reverse, "Backwards."),
    row("clojure.string/split", between(2, 3), text::split, "The parts between matches of a pattern, as a vector."),
    row("clojure.string/split-lines", exactly(1), text::split_lines, "The lines, as a vector."),
    row("clojure.string/starts-with?", exactly(2), text::starts_with, "Whether the text starts with another."),
    row("clojure.string/trim", exactly(1), text::trim, "Without white space at both ends."),
    row("clojure.string/trim-newline", exactly(1), text::trim_newline, "Without newlines at the end."),
    row("clojure.string/triml", exactly(1), text::trim_left, "Without white space at the start."),
    row("clojure.string/trimr", exactly(1), text::trim_right, "Without white space at the end."),
    row("clojure.string/upper-case", exactly(1), text::upper_case, "In upper case."),
    // Collections.
    row("vector", at_least(0), collection::vector, "A vector of the arguments."),
    row("tuple", at_least(0), collection::vector, "A vector of the arguments."),
    row("list", at_least(0), collection::list, "A list of the arguments."),
    row("list*", at_least(1), sequence::list_star, "A list of the arguments, the last one spread."),
    row("hash-map", at_least(0), collection::hash_map, "A map of keys and values."),
    row("array-map", at_least(0), collection::hash_map, "A map of keys and values."),
    row("sorted-map", at_least(0), collection::sorted_map, "A map in the order of its keys."),
    row("hash-set", at_least(0), collection::hash_set, "A set of the arguments."),
    row("sorted-set", at_least(0), collection::sorted_set, "A set in the order of its items."),
    row("set", exactly(1), collection::set, "The items as a set."),
    row("vec", exactly(1), collection::vec, "The items as a vector."),
    row("key", exactly(1), collection::map_entry_key, "The key of a map entry."),
    row("val", exactly(1), collection::map_entry_value, "The value of a map entry."),
    row("count", exactly(1), collection::count, "How many items; the length of text."),
    row("bounded-count", exactly(2), sequence::bounded_count, "How many items."),
    row("empty", exactly(1), collection::empty, "An empty collection of the same kind, or nil."),
    row("not-empty", exactly(1), collection::not_empty, "The collection, or nil if it has no items."),
    row("contains?", exactly(2), lookup::contains, "Whether the key, or index, is present."),
    row("get", between(2, 3), lookup::get, "What is held under a key, or a default."),
    row("get-in", between(2, 3), lookup::get_in, "What is held under a path of keys, or a default."),
    row("find", exactly(2), lookup::find, "The entry of a key, or nil."),
    row("nth", between(2, 3), lookup::nth, "The item at an index, or a default."),
    row("conj", at_least(0), collection::conj, "With items added where the collection grows best."),
    row("into", between(0, 2), collection::into, "With all items of another collection added."),
    row("assoc", at_least(3), collection::assoc, "With values put under keys."),
    row("assoc-in", exactly(3), collection::assoc_in, "With a value put under a path of keys."),
    row("dissoc", at_least(1), collection::dissoc, "Without those keys."),
    row("disj", at_least(1), collection::disj, "Without those items."),
    row("keys", exactly(1), collection::keys, "The keys of a map, or nil."),
    row("vals", exactly(1), collection::vals, "The values of a map, or nil."),
    row("merge", at_least(0), collection::merge, "The maps as one; of equal keys the last wins."),
    row("select-keys", exactly(2), collection::select_keys, "The map with those keys only."),
    row("zipmap", exactly(2), collection::zipmap, "A map of the keys to the values."),
    row("peek", exactly(1), collection::peek, "The last of a vector, the first of a list."),
    row("pop", exactly(1), collection::pop, "Without what peek gives."),
    row("subvec", between(2, 3), collection::subvec, "The part of a vector from one index up to another."),
    row("clojure.set/union", at_least(0), collection::union, "The set of all items."),
    row("clojure.set/intersection", at_least(1), collection::intersection, "The set of the items in all."),
    row("clojure.set/difference", at_least(1), collection::set_difference, "The set of the items in the first only."),
    row("clojure.set/subset?", exactly(2), collection::is_subset, "Whether the second has all items of the first."),
    row("clojure.set/superset?", exactly(2), collection::is_superset, "Whether the first has all items of the second."),
    // Sequences.
    row("range", between(0, 3), sequence::range, "The numbers from a start up to an end, by a step."),
    row("repeat", between(1, 2), sequence::repeat, "A value n times."),
    row("seq", exactly(1), sequence::seq, "The items as a list, or nil for none."),
    row("first", exactly(1), sequence::first, "The first item, or nil."),
    row("second", exactly(1), sequence::second, "The second item, or nil."),
    row("ffirst", exactly(1), sequence::first_of_first, "The first of the first."),
    row("last", exactly(1), sequence::last, "The last item, or nil."),
    row("rest", exactly(1), sequence::rest, "All but the first."),
    row("next", exactly(1), sequence::next, "All but the first, or nil for none."),
    row("nnext", exactly(1), sequence::next_of_next, "The next of the next."),
    row("nfirst", exactly(1), sequence::next_of_first, "The next of the first."),
    row("butlast", exactly(1), sequence::butlast, "All but the last, or nil for none."),
    row("take", exactly(2), sequence::take, "The first n."),
    row("drop", exactly(2), sequence::drop, "All but the first n."),
    row("take-last", exactly(2), sequence::take_last, "The last n, or nil."),
    row("drop-last", between(1, 2), sequence::drop_last, "All but the last, or the last n."),
    row("take-nth", exactly(2), sequence::take_nth, "Every nth."),
    row("nthrest", exactly(2), sequence::nth_rest, "All but the first n."),
    row("nthnext", exactly(2), sequence::nth_next, "All but the first n, or nil for none."),
    row("split-at", exactly(2), sequence::split_at, "The first n, and the others."),
    row("concat", at_least(0), sequence::concat, "The items of all, one after another."),
    row("cons", exactly(2), sequence::cons, "An item before the others."),
    row("reverse", exactly(1), sequence::reverse, "Backwards."),
    row("rseq", exactly(1), sequence::rseq, "A vector backwards, or nil."),
    row("distinct", exactly(1), sequence::distinct, "Without repeats."),
    row("dedupe", exactly(1), sequence::dedupe, "Without repeats in a row."),
    row("frequencies", exactly(1), sequence::frequencies, "A map of each item to how often it occurs."),
    row("flatten", exactly(1), sequence::flatten, "The items of nested lists and vectors."),
    row("interleave", at_least(0), sequence::interleave, "The first of each, the second of each, and so on."),
    row("interpose", exactly(2), sequence::interpose, "With a separator between items."),
    row("partition", between(2, 4), sequence::partition, "Lists of n, each step further; a short one is dropped or padded."),
    row("partition-all", between(2, 3), sequence::partition_all, "Lists of n, each step further; the last may be short."),
    row("replace", exactly(2), sequence::replace, "Each item replaced by what a map holds for it."),
    // Functions of functions: a symbol names one of this table.
    row("apply", at_least(2), callable::apply, "A function applied to arguments, the last one spread."),
    row("map", at_least(2), callable::map, "A function of each item."),
    row("mapv", at_least(2), callable::mapv, "A function of each item, as a vector."),
    row("map-indexed", exactly(2), callable::map_indexed, "A function of each index and item."),
    row("mapcat", at_least(2), callable::mapcat, "The items of a function of each item."),
    row("keep", exactly(2), callable::keep, "A function of each item where it is not nil."),
    row("filter", exactly(2), callable::filter, "The items for which a predicate holds."),
    row("filterv", exactly(2), callable::filterv, "The items for which a predicate holds, as a vector."),
    row("remove", exactly(2), callable::remove, "The items for which a predicate does not hold."),
    row("take-while", exactly(2), callable::take_while, "The items up to the first for which a predicate fails."),
    row("drop-while", exactly(2), callable::drop_while, "The items from the first for which a predicate fails."),
    row("split-with", exactly(2), callable::split_with, "What take-while and drop-while give."),
    row("reduce", between(2, 3), callable::reduce, "A function of the answer so far and each item."),
    row("some", exactly(2), callable::some, "The first truth a predicate gives, or nil."),
    row("every?", exactly(2), callable::every, "Whether a predicate holds for all."),
    row("not-every?", exactly(2), callable::not_every, "Whether a predicate fails for any."),
    row("not-any?", exactly(2), callable::not_any, "Whether a predicate holds for none."),
    row("sort", between(1, 2), callable::sort, "The items in order, or in that of a comparator."),
    row("sort-by", between(2, 3), callable::sort_by, "The items in the order of a function of each."),
    row("group-by", exactly(2), callable::group_by, "A map of what a function gives to the items it gives it for."),
    row("partition-by", exactly(2), callable::partition_by, "Runs of items for which a function gives the same."),
    row("max-key", at_least(2), callable::max_key, "The argument for which a function is greatest."),
    row("min-key", at_least(2), callable::min_key, "The argument for which a function is least."),
    row("update", at_least(3), callable::update, "With a value replaced by a function of it."),
    row("update-vals", exactly(2), callable::update_vals, "A map with a function of each value."),
    row("update-keys", exactly(2), callable::update_keys, "A map with a function of each key."),
    row("merge-with", at_least(1), callable::merge_with, "The maps as one; a function joins the values of equal keys."),
    // Graphs, for functions over graphs.
    row("attr-graph", exactly(1), graph::attr_graph, "A graph of the links of an attribute."),
    row("multi-attr-graph", exactly(1), graph::multi_attr_graph, "A graph of the links of several attributes."),
    row("weighted-graph", exactly(3), graph::weighted_graph, "A graph of links that are entities: their from, to and weight."),
    row("reverse-graph", exactly(1), graph::reverse_graph, "A graph with its links the other way."),
    row("undirected-graph", exactly(1), graph::undirected_graph, "A graph with its links both ways."),
    row("subgraph", exactly(2), graph::subgraph, "A graph with only the links between some nodes."),
];
