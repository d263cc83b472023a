"""A query taken apart: where the parameters stand, what is one statement, and what may not run."""

import pytest

from runner.database import problem_of_query
from runner.statement import DatabaseKind, StatementError, parse_query

ALL: tuple[DatabaseKind, ...] = ("postgresql", "mysql", "sqlite")


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT 1", ()),
        ("SELECT :a, :b_2, :a", ("a", "b_2", "a")),
        ("select ':a', \":b\", :c;  ", ("c",)),
        ("SELECT 'it''s :a' -- :b ; 'c\n, :d /* :e ; */ , :f", ("d", "f")),
        ("SELECT a FROM t WHERE b=:b-1 AND c IN (:c,:d)", ("b", "c", "d")),
        ("(SELECT :a) UNION (SELECT 2) -- the end ;", ("a",)),
        ("WITH x AS (SELECT :ä AS n) SELECT n FROM x", ("ä",)),
        ("SELECT '' || :a || ''''", ("a",)),
        ("SELECT 10 AS \"odd\"\"; :x\", :a", ("a",)),
    ],
)
def test_parameters_are_found_outside_of_texts_names_and_comments(kind: DatabaseKind, query: str, names: tuple[str, ...]) -> None:
    statement = parse_query(query, kind)
    assert statement.names == names
    assert statement.with_each(lambda name: f":{name}") == query.rstrip("; ") or ";" in query


@pytest.mark.parametrize(
    ("kind", "query", "names"),
    [
        ("postgresql", "SELECT now()::date, x::text[], :a::int, a[1:2], f(b := 1)", ("a",)),
        ("postgresql", "SELECT $$ :a ; ' $$, $x$ $$ :b $x$, :c", ("c",)),
        ("postgresql", "SELECT E'\\' :a', e'\\\\', :b, E'x'\n  'y\\' :c', :d", ("b", "d")),
        ("postgresql", "SELECT 'back\\', :a, '\\'", ("a",)),
        ("postgresql", "SELECT 1 /* a /* b */ :c */ , :d", ("d",)),
        ("postgresql", "SELECT 1 --1\n, :a", ("a",)),
        ("postgresql", "SELECT 1 --1\r, :a", ("a",)),
        ("mysql", "SELECT 'back\\' :a', \"b\\\" :b\", `c :d`, :e", ("e",)),
        ("mysql", "SELECT 5--:a", ("a",)),
        ("mysql", "SELECT 1 # :a '\n, :b -- :c", ("b",)),
        ("mysql", "SELECT @x := 1, :a /* a /* b */", ("a",)),
        ("sqlite", "SELECT [a :b], `c`, :d, 'back\\', :e", ("d", "e")),
        ("sqlite", "SELECT 1 /* :a to the end", ()),
    ],
)
def test_each_kind_of_database_reads_texts_in_its_own_way(kind: DatabaseKind, query: str, names: tuple[str, ...]) -> None:
    assert parse_query(query, kind).names == names


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "query",
    ["SELECT 1; SELECT 2", "SELECT 1;;:a", "", " -- nothing", "DROP TABLE t", "BEGIN", "SET x = 1", "CALL f()", "COPY t TO PROGRAM 'x'", "DO $$ $$",
     "ATTACH 'x' AS y", "PRAGMA x", "INSERT INTO t VALUES (1)", "COMMIT", "SELECT 'a", 'SELECT "a', "SELECT 1\0", "VACUUM", "GRANT x TO y"],
)  # fmt: skip
def test_anything_but_one_statement_that_reads_is_refused(kind: DatabaseKind, query: str) -> None:
    with pytest.raises(StatementError):
        parse_query(query, kind)


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("postgresql", "SELECT $1"), ("postgresql", "SELECT /* /* */ 1"), ("postgresql", "SELECT $$ 1"), ("postgresql", "SELECT E'\\'"),
        ("postgresql", "SELECT 'x\\'; DROP TABLE t; --'"), ("mysql", "SELECT /*!50000 1 */"), ("mysql", "SELECT /*M!100 1 */"),
        ("mysql", "SELECT 1 INTO OUTFILE 'x'"), ("mysql", "SELECT 1 INTO @x"), ("mysql", "SELECT 'x\\\\'; DROP TABLE t"), ("sqlite", "SELECT ?1"),
        ("sqlite", "SELECT @a"), ("sqlite", "SELECT $a"), ("mysql", "SELECT /* no end"), ("mysql", "SELECT 1 --\x01x\n; DROP TABLE t"),
    ],
)  # fmt: skip
def test_what_only_one_kind_of_database_would_misuse_is_refused(kind: DatabaseKind, query: str) -> None:
    with pytest.raises(StatementError):
        parse_query(query, kind)


@pytest.mark.parametrize("number", ["1.", ".5", "1e5", "1e+5", "1.e5", "1.5e-3", "\\N"])
def test_a_word_right_behind_a_number_or_a_null_is_seen(number: str) -> None:
    with pytest.raises(StatementError, match="INTO"):
        parse_query(f"SELECT {number}INTO OUTFILE 'x'", "mysql")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 --\u00a0 INTO OUTFILE 'x'\nFROM (SELECT 1 AS `\u00a0`) t",  # for MySQL this space is a letter: no comment
        "SELECT 1 --\u2028 INTO OUTFILE 'x'\nFROM (SELECT 1 AS `\u2028`) t",
        "SELECT 1 --\x85 INTO OUTFILE 'x'\nFROM (SELECT 1 AS `\x85`) t",
        "SELECT 1 --\x7f '\n INTO OUTFILE 'x' -- '",  # and this one is a comment
    ],
)
def test_a_comment_begins_only_where_mysql_sees_one(query: str) -> None:
    with pytest.raises(StatementError, match="INTO"):
        parse_query(query, "mysql")


def test_statements_that_write_must_be_asked_for() -> None:
    for query in ("INSERT INTO t VALUES (:a)", "update t set a = :a", "DELETE FROM t WHERE a = :a"):
        assert parse_query(query, "postgresql", read_only=False).names == ("a",)
        assert "read_only" in (problem_of_query(query, "mysql", read_only=True, arguments=frozenset("a")) or "")
    with pytest.raises(StatementError):
        parse_query("DROP TABLE t", "postgresql", read_only=False)


def test_a_name_is_numbered_once() -> None:
    assert parse_query("SELECT :b, :a, :b;", "postgresql").numbered() == "SELECT $1, $2, $1"


def test_names_and_arguments_must_be_the_same() -> None:
    def problem(*arguments: str) -> str | None:
        return problem_of_query("SELECT :a, :b", "sqlite", read_only=True, arguments=frozenset(arguments))

    assert problem("a", "b") is None
    assert problem("a") == ":b is not among the properties of the input schema"
    assert problem("a", "b", "c") == "the argument 'c' is not used in the query"
    assert "can only be read" in (problem_of_query("DELETE FROM t", "sqlite", read_only=False, arguments=frozenset()) or "")
