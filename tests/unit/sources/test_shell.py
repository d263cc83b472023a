"""Commands are read as bash reads them: held against bash itself."""

import subprocess

import pytest

from bmm.sources.credentials import CLOSE, OPEN
from bmm.sources.shell import UnreadableCommand, split

LINES = [
    r"curl 'a b' \"c\" d\ e",
    r"curl $'it\'s\n\t\u00e9\x41\101\\ \U0001F600' x",
    r"""curl "a \"q\" \\ \$x \n" 'it'"'"'s' """,
    "curl -H 'A: b' \\\n  --data-raw '{\"a\":\n1}' \\\n 'https://x.test/?a=1&b=2'",
    "curl a # not this\n",
    "curl -s https://x.test/a > /dev/null 2>&1",
    'curl ""  \'\' x',
    "curl 'ü' \"日本\" ü",
    "curl a=b --x=y *",
]


@pytest.mark.parametrize("line", LINES)
def test_words_are_those_that_bash_sees(line: str) -> None:
    script = f"set -f\ncurl() {{ printf '%s\\0' \"$@\" >&3; }}\n{line}\n"
    done = subprocess.run(
        ["bash", "-c", f"exec 3>&1\n{script}"], capture_output=True, check=True, timeout=60, env={"LC_ALL": "C.UTF-8"}
    )  # fmt: skip
    assert list(split(line)[0].words[1:]) == done.stdout.decode().split("\0")[:-1]


def test_commands_end_where_bash_ends_them() -> None:
    found = split("A=1 curl a | jq '.x' && curl b; curl c\n\n# curl d\n(curl e)")
    assert [each.words for each in found] == [("A=1", "curl", "a"), ("jq", ".x"), ("curl", "b"), ("curl", "c"), ("curl", "e")]


def test_variables_and_substitutions_are_marked_and_never_replaced() -> None:
    (found,) = split("""curl "$A${B}c" '$D' $(cat $(which x) y) `id` \\$E""")
    assert found.words[1:] == (f"{OPEN}A{CLOSE}{OPEN}B{CLOSE}c", "$D", f"{OPEN}{CLOSE}", f"{OPEN}{CLOSE}", "$E")


def test_a_here_document_is_what_a_command_reads() -> None:
    first, second = split("curl -d @- x <<'EOF' | jq .\n{\"a\": \"$B\"}\nEOF\ncurl y <<-E\n\tsay \"$B\"\n\tE\n")[::2]
    assert (first.words, first.stdin) == (("curl", "-d", "@-", "x"), '{"a": "$B"}')
    assert (second.words, second.stdin) == (("curl", "y"), f'say "{OPEN}B{CLOSE}"')


def test_a_query_that_was_not_quoted_stays_whole() -> None:
    (found,) = split("curl https://x.test/?a=1&b=2&c=3")
    assert found.words[1] == "https://x.test/?a=1&b=2&c=3"


@pytest.mark.parametrize("text", ["curl 'a", 'curl "a', "curl $'a", "curl $(a", "curl `a", "curl ${a"])
def test_what_is_not_closed_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(UnreadableCommand, match=r"line 2 is never closed"):
        split(f"\n{text}\n")
