//! The queries, the rows each must answer, and what other engines need for them.

/// One query: its text, its rules, and the rows and CPU milliseconds of Datahike 0.8, Datalevin
/// 1.2.8 and DataScript 1.7.8 on another machine (dash: did not finish or cannot). Proportions
/// carry over, absolute figures do not.
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) rows: usize,
    pub(crate) peers: [&'static str; 3],
}

macro_rules! queries {
    ($($name:literal $rows:literal [$($peer:literal)*] $text:literal)*) => {
        &[$(Query { name: $name, text: $text, rows: $rows, peers: [$($peer,)*] },)*]
    };
}

pub(crate) const PEOPLE: &[Query] = queries! {
    "q1" 2548 ["0.23" "1.30" "1.28"] r#"[:find ?e :where [?e :name "Ivan"]]"#
    "q2" 2548 ["1.38" "8.30" "3.80"] r#"[:find ?e ?a :where [?e :name "Ivan"] [?e :age ?a]]"#
    "q2-switch" 2548 ["1.51" "7.91" "7.61"] r#"[:find ?e ?a :where [?e :age ?a] [?e :name "Ivan"]]"#
    "q3" 1264 ["2.06" "34.4" "6.02"] r#"[:find ?e ?a :where [?e :name "Ivan"] [?e :age ?a] [?e :sex :male]]"#
    "q4" 1264 ["1.27" "31.6" "8.57"] r#"[:find ?e ?l ?a :where [?e :name "Ivan"] [?e :last-name ?l] [?e :age ?a] [?e :sex :male]]"#
    "q5" 20000 ["11.6" "376" "237"] r#"[:find ?e1 ?l ?a :where [?e :name "Ivan"] [?e :age ?a] [?e1 :age ?a] [?e1 :last-name ?l]]"#
    "qpred1" 9974 ["4.98" "29.4" "8.02"] "[:find ?e ?s :where [?e :salary ?s] [(> ?s 50000)]]"
    "qpred2" 9974 ["4.90" "5.66" "9.87"] "[:find ?e ?s :in $ ?min_s :where [?e :salary ?s] [(> ?s ?min_s)]]"
    "q-or" 5038 ["4.29" "7.24" "2.62"] r#"[:find ?e :where (or [?e :name "Ivan"] [?e :name "Petr"])]"#
    "q-not" 10117 ["6.37" "21.3" "18.3"] "[:find ?e ?a :where [?e :age ?a] (not [?e :sex :male])]"
    "q-or-join" 5038 ["6.54" "23.1" "21.8"] r#"[:find ?e ?a :where [?e :age ?a] (or-join [?e] [?e :name "Ivan"] [?e :name "Petr"])]"#
    "q-not-join" 10117 ["6.63" "47.1" "16.9"] "[:find ?e ?a :where [?e :age ?a] (not-join [?e] [?e :sex :male])]"
    "q-pred-range" 5961 ["3.30" "3.56" "6.89"] "[:find ?e ?s :where [?e :salary ?s] [(> ?s 50000)] [(< ?s 80000)]]"
    "q-5-merge" 9883 ["4.31" "7.38" "61.3"] "[:find ?e ?n ?l ?a ?s :where [?e :name ?n] [?e :last-name ?l] [?e :age ?a] [?e :salary ?s] [?e :sex :male]]"
    "q-rule" 9952 ["6.91" "9.56" "15.9"] "[:find ?e1 ?e2 :in $ % :where (follow ?e1 ?e2)]"
    "q-agg-avg" 1 ["16.2" "12.2" "38.3"] "[:find (avg ?s) :where [?e :salary ?s]]"
    "q-agg-group" 2 ["28.6" "37.2" "93.1"] "[:find ?sex (avg ?s) (count ?e) :where [?e :sex ?sex] [?e :salary ?s]]"
    "q-agg-filter" 1 ["11.9" "28.0" "41.9"] "[:find (avg ?s) (min ?s) (max ?s) :where [?e :salary ?s] [?e :sex :male]]"
    "q-agg-pred" 2 ["23.5" "13.4" "71.7"] "[:find ?sex (avg ?s) :where [?e :salary ?s] [?e :sex ?sex] [(> ?s 50000)]]"
    "q-agg-multi" 16 ["35.9" "26.5" "67.0"] "[:find ?sex ?n (avg ?s) :where [?e :sex ?sex] [?e :name ?n] [?e :salary ?s]]"
    "q-agg-stats" 1 ["34.5" "66.2" "93.9"] "[:find (avg ?s) (variance ?s) (stddev ?s) (median ?s) :where [?e :salary ?s]]"
};

/// The rule of `q-rule`.
pub(crate) const FOLLOW: &str = "[[(follow ?e1 ?e2) [?e1 :follows ?e2]]]";

pub(crate) const RULES_QUERY: &str = "[:find ?e ?e2 :in $ % :where (follows ?e ?e2)]";
pub(crate) const RULES_RULE: &str =
    "[[(follows ?x ?y) [?x :follows ?y]] [(follows ?x ?y) [?x :follows ?t] (follows ?t ?y)]]";

/// The graphs of the rules suite: name, rows, peers.
pub(crate) const RULES: &[(&str, usize, [&str; 3])] = &[
    ("wide-3x3", 102, ["1.47", "3.28", "4.20"]),
    ("wide-5x3", 1641, ["4.33", "4.29", "10.7"]),
    ("wide-7x3", 21324, ["20.8", "27.1", "51.2"]),
    ("wide-4x6", 5910, ["4.85", "5.41", "10.5"]),
    ("long-10x3", 165, ["0.60", "1.96", "3.02"]),
    ("long-30x3", 1395, ["2.48", "2.11", "17.8"]),
    ("long-30x5", 2325, ["2.93", "2.20", "19.5"]),
];

pub(crate) const JOINS: &[Query] = queries! {
    "q-join-ref-1" 200 ["5.23" "3.81" "1.68"] r#"[:find ?pn ?dn :where [?d :d/name "dept-99"] [?d :d/budget ?b] [?e :p/dept ?d] [?e :p/name ?pn] [?d :d/name ?dn]]"#
    "q-join-ref-10" 1800 ["7.40" "1.99" "5.06"] "[:find ?pn ?dn :where [?d :d/budget ?b] [(> ?b 450000)] [?d :d/name ?dn] [?e :p/dept ?d] [?e :p/name ?pn]]"
    "q-join-pred" 3800 ["8.15" "2.74" "6.23"] "[:find ?pn ?dn :where [?d :d/budget ?b] [(> ?b 400000)] [?d :d/name ?dn] [?e :p/dept ?d] [?e :p/name ?pn]]"
    "q-join-chain" 20000 ["97.2" "11.3" "29.5"] "[:find ?pn ?dn ?divn :where [?e :p/name ?pn] [?e :p/dept ?d] [?d :d/name ?dn] [?d :d/div ?div] [?div :div/name ?divn]]"
    "q-join-selective" 2875 ["9.89" "2.67" "10.9"] "[:find ?pn ?dn :where [?e :p/salary ?s] [(> ?s 90000)] [?e :p/name ?pn] [?e :p/dept ?d] [?d :d/name ?dn]]"
};

pub(crate) const CURRENT: &[Query] = queries! {
    "t-current-q1" 2548 ["1.50" "-" "-"] r#"[:find ?e :where [?e :name "Ivan"]]"#
    "t-current-q2" 2548 ["2.51" "-" "-"] r#"[:find ?e ?a :where [?e :name "Ivan"] [?e :age ?a]]"#
};
pub(crate) const AS_OF: &[Query] = queries! {
    "t-asof-q1" 2548 ["9.42" "-" "-"] r#"[:find ?e :where [?e :name "Ivan"]]"#
    "t-asof-q2" 2548 ["21.4" "-" "-"] r#"[:find ?e ?a :where [?e :name "Ivan"] [?e :age ?a]]"#
    "t-asof-q3" 1264 ["22.0" "-" "-"] r#"[:find ?e ?a :where [?e :name "Ivan"] [?e :age ?a] [?e :sex :male]]"#
};
pub(crate) const HISTORY: &[Query] = queries! {
    "t-hist-q1" 20000 ["5.08" "-" "-"] "[:find ?e :where [?e :name]]"
    "t-hist-q2" 24000 ["8.04" "-" "-"] "[:find ?e ?a ?tx :where [?e :age ?a ?tx]]"
    "t-hist-q3" 22000 ["47.3" "-" "-"] "[:find ?e ?n ?a :where [?e :name ?n] [?e :age ?a]]"
    "t-hist-retract" 2000 ["2.57" "-" "-"] "[:find ?e ?a :where [?e :age ?a _ false]]"
};

pub(crate) const DEP: &str =
    "[[(dep ?a ?b) [?a :package/depends ?b]] [(dep ?a ?b) [?a :package/depends ?x] (dep ?x ?b)]]";

/// Datoms of the index whose rows are known: each point release of Debian has another.
pub(crate) const DEBIAN_DATOMS: usize = 688_588;

pub(crate) const DEBIAN: &[Query] = queries! {
    "d-count-section" 58 ["171" "56.7" "98.3"] "[:find ?s (count ?p) :where [?p :package/section ?s]]"
    "d-top-maint" 10 ["161" "65.3" "127"] "[:find ?m (count ?p) :where [?p :package/maintainer ?m] :order-by [1 :desc] :limit 10]"
    "d-sum-size" 58 ["169" "128" "170"] "[:find ?s (sum ?z) :with ?p :where [?p :package/section ?s] [?p :package/installed-size ?z]]"
    "d-dep-libc6" 21808 ["34.0" "5.57" "37.8"] r#"[:find ?n :where [?l :package/name "libc6"] [?p :package/depends ?l] [?p :package/name ?n]]"#
    "d-join-big" 243 ["10.3" "5.60" "101"] r#"[:find ?n ?ln :where [?p :package/installed-size ?z] [(> ?z 102400)] [?p :package/maintainer ?m] [?p :package/depends ?l] [?l :package/section "libs"] [?l :package/maintainer ?m] [?p :package/name ?n] [?l :package/name ?ln]]"#
    "d-not" 33026 ["521" "174" "316"] "[:find ?n :where [?p :package/name ?n] (not [_ :package/depends ?p])]"
    "d-closure-gnome" 1135 ["18533" "29.2" "24578"] r#"[:find ?n :in $ % :where [?g :package/name "gnome"] (dep ?g ?b) [?b :package/name ?n]]"#
    "d-closure-libreoffice" 250 [">60 s" "6.78" "1646"] r#"[:find ?n :in $ % :where [?g :package/name "libreoffice"] (dep ?g ?b) [?b :package/name ?n]]"#
    "d-rclosure-libssl3" 25187 [">60 s" "159" ">60 s"] r#"[:find ?n :in $ % :where [?l :package/name "libssl3"] (dep ?p ?l) [?p :package/name ?n]]"#
    "d-path-gnome" 3 ["-" "-" "-"] r#"[:find ?b :where [(shortest-path $ :package/depends [:package/name "gnome"] [:package/name "libc6"]) [?b ...]]]"#
    "d-distances-gnome" 1136 ["-" "-" "-"] r#"[:find ?b ?d :where [(bfs-distances $ :package/depends [:package/name "gnome"]) [[?b ?d]]]]"#
    "d-components" 57820 ["-" "-" "-"] "[:find ?p ?c :where [(connected-components $ :package/depends) [[?p ?c]]]]"
    "d-strong-components" 57820 ["-" "-" "-"] "[:find ?p ?c :where [(strongly-connected-components $ :package/depends) [[?p ?c]]]]"
    "d-page-rank" 57820 ["-" "-" "-"] "[:find ?p ?r :where [(page-rank $ :package/depends) [[?p ?r]]]]"
};

/// As the closures above, with the start bound by `:in`: the package whose name comes last.
pub(crate) const DEBIAN_IN: &[(Query, &str)] = &[
    (
        Query {
            name: "d-closure-gnome-in",
            text: "[:find ?n :in $ % ?g :where (dep ?g ?b) [?b :package/name ?n]]",
            rows: 1135,
            peers: ["410", "11395", "22201"],
        },
        "gnome",
    ),
    (
        Query {
            name: "d-closure-libreoffice-in",
            text: "[:find ?n :in $ % ?g :where (dep ?g ?b) [?b :package/name ?n]]",
            rows: 250,
            peers: ["226", "23650", "1873"],
        },
        "libreoffice",
    ),
    (
        Query {
            name: "d-rclosure-libssl3-in",
            text: "[:find ?n :in $ % ?l :where (dep ?p ?l) [?p :package/name ?n]]",
            rows: 25187,
            peers: ["2080", "-", "-"],
        },
        "libssl3",
    ),
];
