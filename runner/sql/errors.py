"""What a database says when it refuses, as a sentence for a model: what is wrong, whether other arguments help, who must act."""

from runner.sql.session import SqlFailed

_WORDS = 400
_OWNER = "the owner of this server must correct the tool"
# SQLSTATE (ISO/IEC 9075; PostgreSQL manual, appendix A), the longest that fits first: code of the event, what it means, what to do.
_STATES: dict[str, tuple[str, str]] = {
    "57014": ("sql_timeout", "The database stopped the query because it took too long. Ask for less: a narrower filter or fewer rows."),
    "70100": ("sql_timeout", "The database stopped the query because it took too long. Ask for less: a narrower filter or fewer rows."),
    "25006": ("sql_read_only", f"The database refused, because this tool may only read. Other arguments do not help; {_OWNER}."),
    "42501": ("sql_forbidden", "The database user of this server has no right to do this. Other arguments do not help; the owner must grant it."),
    "23505": ("sql_conflict", "The row would repeat a value that must be unique. Look at the existing row, or choose another value."),
    "23503": ("sql_conflict", "The row refers to another one that does not exist, or is itself referred to. Check the identifiers."),
    "23502": ("sql_conflict", "A value that must be given is missing."),
    "23514": ("sql_conflict", "A value is outside what the table allows."),
    "23": ("sql_conflict", "The values contradict a rule of the table. Correct them and call again."),
    "22": ("sql_arguments", "A value does not fit its column or the calculation. Correct the arguments and call again."),
    "40": ("sql_busy", "The database could not finish beside other transactions. Try again."),
    "55": ("sql_busy", "Rows or tables are locked by somebody else. Try again later."),
    "53": ("sql_unavailable", "The database has no room for more connections, memory or disk now. Try again later."),
    "57": ("sql_unavailable", "The database is shutting down or starting. Try again in a moment."),
    "42": ("sql_wrong", f"The query does not fit the database, for example a table or column is missing. {_OWNER[0].upper()}{_OWNER[1:]}."),
    "0A": ("sql_wrong", f"The database does not support what the query asks. {_OWNER[0].upper()}{_OWNER[1:]}."),
}  # fmt: skip


def refused(state: str, words: str) -> SqlFailed:
    """By the five characters of a SQLSTATE and the database's own first sentence, which names tables, columns and values only."""
    for length in (5, 2):
        if (known := _STATES.get(state[:length])) is not None:
            code, sentence = known
            break
    else:
        code, sentence = "sql_failed", "The database refused the query. Other arguments may help."
    said = " ".join(words.split())[:_WORDS]
    return SqlFailed(code, f"{sentence}\nThe database said: {said}" if said else sentence)
