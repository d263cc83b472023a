"""What a database says when it refuses, or lets nobody in, as a sentence for a model: what is wrong, whether other arguments help, who must act."""

import ssl
from typing import Literal

from runner.sql.session import NoSession, SqlFailed

_WORDS = 400
_OWNER = "the owner of this server must correct the tool"
# SQLSTATE (ISO/IEC 9075; PostgreSQL manual, appendix A), the longest that fits first: code of the event, what it means, what to do.
_SLOW = ("sql_timeout", "The database stopped the query because it took too long. Ask for less: a narrower filter or fewer rows.")
_STATES: dict[str, tuple[str, str]] = {
    "57014": _SLOW,
    "70100": _SLOW,
    "25006": ("sql_read_only", f"The database refused, because this tool may only read. Other arguments do not help; {_OWNER}."),
    "42501": ("sql_forbidden", "The database user of this server has no right to do this. Other arguments do not help; the owner must grant it."),
    "23505": ("sql_conflict", "The row would repeat a value that must be unique. Look at the existing row, or choose another value."),
    "23503": ("sql_conflict", "The row refers to another one that does not exist, or is itself referred to. Check the identifiers."),
    "23502": ("sql_conflict", "A value that must be given is missing."),
    "23514": ("sql_conflict", "A value is outside what the table allows."),
    "23": ("sql_conflict", "The values contradict a rule of the table. Correct them and call again."),
    "22": ("sql_arguments", "A value does not fit its column or the calculation. Correct the arguments and call again."),
    "22021": ("sql_arguments", f"A text, given or stored, does not fit the character set. Where no argument is unusual, {_OWNER} or the data."),
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


Closed = Literal["no TLS", "unauthorized", "no database", "full", "silent"]
_CLOSED: dict[Closed, tuple[str, str]] = {
    "no TLS": ("sql_tls", "it does not speak TLS. The owner must turn it on there, or say `tls: off` and have an operator allow that"),
    "unauthorized": ("sql_unauthorized", "it does not accept this server's user or password. The owner must check both"),
    "no database": ("sql_unauthorized", "it holds no database of that name for this user. The owner must check it"),
    "full": ("sql_unavailable", "it takes no more connections now. Try again in a moment"),
    "silent": ("sql_unreachable", "it does not answer. Try again later"),
}


def no_session(why: Closed, refusal: str | None = None) -> NoSession:
    """Why there is no session, in words that name neither addresses nor users; `refusal` is the gateway's reason."""
    code, sentence = _CLOSED[why]
    return NoSession(code, sentence, refusal=refusal)


# By OpenSSL's numbers (x509_vfy.h): what no other authority would change.
_CERTIFICATE = {
    9: "The owner must check the clocks",
    10: "Who runs the database must renew it",
    62: "The owner must reach it by a name that the certificate bears",
}


def untrusted(error: ssl.SSLCertVerificationError) -> NoSession:
    advice = _CERTIFICATE.get(error.verify_code, "The owner must give its authority as `trust`")
    return NoSession("sql_tls", f"its certificate is not trusted ({error.verify_message}). {advice}")
