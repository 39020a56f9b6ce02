//! The functions of the host as a table: completion, help and the errors about names read it.

/// One function, or one getter.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it belongs to.
    pub group: Group,
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub form: &'static str,
    /// What it gives.
    pub doc: &'static str,
}

/// What a function belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Called by itself.
    Free,
    /// Of a connection.
    Conn,
    /// Of a database value.
    Db,
    /// Of a table.
    Table,
    /// Of a column.
    Column,
    /// Of a chart.
    Chart,
}

impl Group {
    /// All groups, in the order in which they are explained.
    pub const ALL: [Group; 6] = [
        Group::Free,
        Group::Conn,
        Group::Db,
        Group::Table,
        Group::Column,
        Group::Chart,
    ];

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Group::Free => "Functions",
            Group::Conn => "Connections",
            Group::Db => "Database values",
            Group::Table => "Tables",
            Group::Column => "Columns",
            Group::Chart => "Charts",
        }
    }
}

macro_rules! entries {
    ($($group:ident { $($name:literal $form:literal $doc:literal;)* })*) => {
        /// Every function of the host, group by group.
        pub const ENTRIES: &[Entry] = &[
            $($(Entry { group: Group::$group, name: $name, form: $form, doc: $doc },)*)*
        ];
    };
}

entries! {
    Free {
        "open" "open(path)" "Opens a database, made first where there is none; \":memory:\" keeps it in memory.";
        "q" "q(db, query, inputs…)" "Answers a query: a table, a column, an array or a value, as :find says.";
        "datalog" "datalog { [:find …] }" "A query as it is written, checked where it stands.";
        "sql" "sql(\"select … from read_csv('a.csv')\", [1])" "What a statement about files answers, a table; values for $1, $2, …";
        "edn" "edn { … }" "A value as EDN writes it, in the script; read_edn(text) reads one at run time.";
        "kw" "kw(\"red\")" "A keyword.";
        "sym" "sym(\"name\")" "A symbol.";
        "inst" "inst(\"2026-01-31\")" "An instant.";
        "uuid" "uuid(\"…\")" "A UUID.";
        "set" "set([1, 2])" "A set.";
        "floats" "floats([0.1, 0.2])" "A vector of 32-bit floats.";
        "to_edn" "to_edn(value)" "A value as EDN text.";
        "table" "table([#{a: 1}, …])" "A table of maps, or of columns: table(#{a: [1, 2]}).";
        "read_csv" "read_csv(path)" "A table from a CSV file; kinds of columns are found.";
        "parse_csv" "parse_csv(text)" "A table from CSV in a text.";
        "column" "column([1, 2, ()])" "A column of an array.";
        "read_json" "read_json(path)" "A table from JSON: an array of objects, or one on a line.";
        "read_parquet" "read_parquet(path)" "A table from a Parquet file.";
        "read_arrow" "read_arrow(path)" "A table from an Arrow file.";
        "read_text" "read_text(path)" "A file as text.";
        "read_lines" "read_lines(path)" "The lines of a file as a column.";
        "file_exists" "file_exists(path)" "Whether a file is there and may be read.";
        "write_text" "write_text(path, text)" "Writes a text into a file.";
        "define" "define(\"my/score\", |x| x * 2)" "A function that queries and transactions of this process may call.";
        "undefine" "undefine(\"my/score\")" "Takes such a function away.";
        "plot" "plot(table, #{kind: \"bar\", x: \"a\", y: \"b\"})" "A chart of a table.";
        "show" "show(value)" "Shows a value as the console or the notebook shows results.";
        "print" "print(value)" "Prints a value on a line.";
        "eprint" "eprint(value)" "Prints a value on a line of standard error.";
        "read_edn" "read_edn(text)" "A value from EDN text.";
        "exit" "exit(code)" "Ends the script with an exit code.";
    }
    Conn {
        "db" "conn.db()" "The newest database value.";
        "transact" "conn.transact(data)" "Makes a transaction of maps, arrays or EDN text.";
        "import_table" "conn.import_table(table, #{namespace: \"ns\", unique: \"id\"})" "Makes an entity of each row; attributes are declared by the kinds of columns.";
        "retract" "conn.retract([e, …])" "Retracts entities.";
        "branch" "conn.branch(\"draft\")" "A connection to another branch.";
        "branches" "conn.branches()" "The names of all branches.";
        "create_branch" "conn.create_branch(\"draft\")" "Makes a branch of this one, or of a second argument.";
        "delete_branch" "conn.delete_branch(\"draft\")" "Deletes a branch.";
        "merge" "conn.merge(\"draft\", \"theirs\")" "Brings the changes of a branch here; fail, ours or theirs.";
        "commit" "conn.commit(uuid(\"…\"))" "The database value of a commit.";
        "sql" "conn.sql(\"select …\", [1])" "What a statement answers, a table; INSERT, UPDATE and DELETE are transactions.";
        "log" "conn.log(limit)" "The newest transactions as a table.";
        "checkpoint" "conn.checkpoint()" "Folds the log into segments.";
        "gc" "conn.gc()" "Removes files that nothing needs.";
        "verify" "conn.verify()" "Checks every file and row.";
        "backup" "conn.backup(folder)" "Copies the database to another folder.";
        "embed" "conn.embed()" "Makes the vectors that texts lack.";
        "build_indexes" "conn.build_indexes()" "Builds what indexes of vectors lack.";
        "close" "conn.close()" "Releases the connection.";
    }
    Db {
        "q" "db.q(query, inputs…)" "Answers a query of this database value.";
        "sql" "db.sql(\"select …\", #{name: 1})" "What a statement answers about this database value, a table.";
        "explain" "db.explain(query, inputs…)" "How a query is answered: steps, rows, times.";
        "pull" "db.pull(pattern, e)" "An entity as nested maps.";
        "pull_many" "db.pull_many(pattern, [e, …])" "Entities as nested maps.";
        "entity" "db.entity(e)" "All attributes of an entity.";
        "entid" "db.entid(e)" "The id that an ident or a lookup ref stands for.";
        "datoms" "db.datoms(\"aevt\", \":ns/attr\")" "Datoms of an index as a table.";
        "schema" "db.schema()" "The attributes as a table.";
        "stats" "db.stats()" "Datoms by attribute as a table.";
        "as_of" "db.as_of(t)" "What was so then: a number, or \"2026-01-31\".";
        "since" "db.since(t)" "What was said after that point.";
        "history" "db.history()" "Every assertion and retraction.";
        "t" "db.t" "How many transactions history holds up to here.";
        "knn" "db.knn(\":idx/x\", vector, 10)" "The entities whose vectors are nearest.";
        "knn_within" "db.knn_within(\":idx/x\", vector, 0.4)" "The entities whose vectors are that near.";
        "semantic" "db.semantic(\":doc/body\", \"text\", 10)" "The entities whose texts mean nearly that.";
    }
    Table {
        "columns" "t.columns" "The names of the columns.";
        "len" "t.len()" "The number of rows.";
        "col" "t.col(\"a\")" "A column; t[\"a\"] too.";
        "filter" "t.filter(t.a > 1)" "The rows for which a mask, or a closure, holds.";
        "map" "t.map(|row| …)" "An array of what a closure makes of each row.";
        "sort" "t.sort(\"-a\")" "The rows in order of columns; - turns the order round.";
        "head" "t.head(10)" "The first rows.";
        "tail" "t.tail(10)" "The last rows.";
        "slice" "t.slice(from, count)" "Rows from a place on.";
        "select" "t.select([\"a\", \"b\"])" "Only those columns.";
        "drop" "t.drop([\"a\"])" "All but those columns.";
        "rename" "t.rename(#{old: \"new\"})" "Columns by other names.";
        "with_column" "t.with_column(\"c\", t.a + 1)" "The table with one more column, or another in its place.";
        "distinct" "t.distinct()" "Rows that all differ.";
        "group_by" "t.group_by([\"k\"], #{n: \"count\", total: [\"sum\", \"x\"]})" "A row for each group.";
        "join" "t.join(other, \"key\")" "The rows of two tables with equal keys.";
        "pivot" "t.pivot(#{rows: \"a\", columns: \"b\", values: \"x\"})" "A row for each value of one column, a column for each of another.";
        "concat" "t.concat(other)" "The rows of both.";
        "describe" "t.describe()" "Count, mean, spread and extremes of each column.";
        "plot" "t.plot(#{kind: \"bar\", x: \"a\", y: \"b\"})" "A chart of the table.";
        "to_csv" "t.to_csv(path)" "CSV, as text or into a file; so to_json, to_jsonl, to_arrow, to_parquet.";
        "to_json" "t.to_json(path)" "A JSON array of objects.";
        "to_jsonl" "t.to_jsonl(path)" "A JSON object on each line.";
        "to_parquet" "t.to_parquet(path)" "A Parquet file.";
        "to_arrow" "t.to_arrow(path)" "An Arrow file.";
        "to_markdown" "t.to_markdown()" "A table in Markdown.";
        "to_html" "t.to_html()" "A table in HTML.";
    }
    Column {
        "sum" "c.sum()" "The sum; so mean, min, max, median, std, quantile(q), count.";
        "mean" "c.mean()" "The mean.";
        "min" "c.min()" "The least value.";
        "max" "c.max()" "The greatest value.";
        "median" "c.median()" "The median.";
        "std" "c.std()" "The standard deviation of a sample.";
        "quantile" "c.quantile(0.9)" "The value below which that share lies.";
        "count" "c.count()" "Values that are not null.";
        "distinct" "c.distinct()" "Values without repetition.";
        "count_distinct" "c.count_distinct()" "How many values there are without repetition.";
        "sort" "c.sort()" "Values in order, nulls last.";
        "is_in" "c.is_in([1, 2])" "A mask of the cells that are in an array, or in a column.";
        "is_null" "c.is_null()" "A mask of the rows without a value.";
        "fill" "c.fill(0)" "The column with a value for each null.";
        "cast" "c.cast(\"double\")" "The column in another kind.";
        "round" "c.round()" "Whole numbers.";
        "abs" "c.abs()" "Without signs.";
        "between" "c.between(1, 9)" "A mask of the values from one to another.";
        "contains" "c.contains(\"x\")" "A mask of the texts that contain one.";
        "starts_with" "c.starts_with(\"x\")" "A mask of the texts that begin with one.";
        "ends_with" "c.ends_with(\"x\")" "A mask of the texts that end with one.";
        "lower" "c.lower()" "In small letters.";
        "upper" "c.upper()" "In large letters.";
        "year" "c.year()" "The years of instants; so month, day, hour, minute, weekday.";
        "start_of" "c.start_of(\"month\")" "Instants moved back to where their minute, hour, day, week, month, quarter or year starts.";
        "to_array" "c.to_array()" "An array of the values.";
    }
    Chart {
        "to_svg" "chart.to_svg(path)" "The chart as SVG.";
        "to_png" "chart.to_png(path)" "The chart as PNG.";
        "to_json" "chart.to_json()" "The chart as Vega-Lite.";
        "to_text" "chart.to_text(100, 20)" "The chart in characters.";
    }
}

/// The entries of that name.
pub fn named(name: &str) -> impl Iterator<Item = &'static Entry> + use<'_> {
    ENTRIES.iter().filter(move |entry| entry.name == name)
}

/// The name in the table that is this one, or nearly.
pub fn like(name: &str) -> Option<&'static str> {
    let best = ENTRIES
        .iter()
        .map(|entry| (distance(name, entry.name), entry.name))
        .min()?;
    let allowed = if name.len() > 4 { 2 } else { 1 };
    (best.0 <= allowed).then_some(best.1)
}

/// How many letters must change for one word to become the other (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_though_mistyped() {
        assert_eq!(like("transcat"), Some("transact"));
        assert_eq!(like("sort"), Some("sort"));
        assert_eq!(like("frobnicate"), None);
        assert_eq!(named("q").count(), 2);
    }
}
