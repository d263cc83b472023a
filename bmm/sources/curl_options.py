"""The options of curl: which take a value, which say nothing about the request, and which a server cannot follow."""

from collections.abc import Iterator

from bmm.sources.shell import UnreadableCommand

# ruff: noqa: SIM905  words in a row read better than as many quotes

_IGNORED_VALUE = frozenset(
    (
        "-o --output -w --write-out -m --max-time --connect-timeout --retry --retry-delay --retry-max-time --limit-rate -y --speed-time -Y "
        "--speed-limit --max-redirs --max-filesize -D --dump-header -c --cookie-jar --trace --trace-ascii --stderr --output-dir --keepalive-time "
        "--rate --parallel-max --create-file-mode -z --time-cond -C --continue-at --ciphers --tls13-ciphers --tls-max --curves --dns-servers "
        "--happy-eyeballs-timeout-ms --expect100-timeout --local-port --interface -r --range --proto-default"
    ).split()
)
_IGNORED = frozenset(
    (
        "-s --silent -S --show-error -v --verbose -i --include --show-headers -f --fail --fail-with-body -O --remote-name -J "
        "--remote-header-name -# --progress-bar --compressed --globoff -g -N --no-buffer --http1.0 -0 --http1.1 --http2 --http2-prior-knowledge "
        "--http3 --http3-only -4 --ipv4 -6 --ipv6 --tlsv1 -1 --tlsv1.0 --tlsv1.1 --tlsv1.2 --tlsv1.3 --path-as-is --tcp-nodelay --no-keepalive -Z "
        "--parallel --raw --basic --anyauth --no-progress-meter --retry-all-errors --retry-connrefused --create-dirs --tr-encoding -q --disable "
        "--ssl-no-revoke --no-alpn --no-sessionid -R --remote-time --styled-output --junk-session-cookies -j -a --append -M --manual"
    ).split()
)
_TOLD = {
    "--insecure": "a server always checks certificates; -k is left out",
    "--location": "a server follows no redirect; give the address it leads to",
    "--location-trusted": "a server follows no redirect; give the address it leads to",
    "--netrc": "what a .netrc file would add is not known; set the credential with -H or -u",
    "--netrc-optional": "what a .netrc file would add is not known; set the credential with -H or -u",
}
_TOLD_VALUE = {
    "--proxy": "a server asks the host itself; the proxy is left out",
    "--resolve": "a server resolves names itself; an operator maps one with egress_exceptions",
    "--connect-to": "a server dials the name itself; an operator maps one with egress_exceptions",
    "--cacert": "a server trusts public authorities; the certificate file is left out",
    "--capath": "a server trusts public authorities; the certificate folder is left out",
    "--unix-socket": "a server reaches hosts by name; the socket is left out",
    "--noproxy": "a server uses no proxy",
    "--pass": "a server's key is not encrypted; set the secret as `openssl pkey -in FILE` prints it",
    "--cert-type": "a server takes a certificate in PEM form; `openssl x509` and `openssl pkcs12 -nodes` make it from others",
    "--key-type": "a server takes a key in PEM form; `openssl pkey` makes it from others",
}
TOLD = _TOLD | _TOLD_VALUE
"""Option -> what is said about it, because a server does not follow it."""
REFUSED = {
    "--ntlm": "NTLM", "--negotiate": "Negotiate",
    "--aws-sigv4": "a signature for each request (AWS)", "--config": "options from a file", "--variable": "curl's own variables",
    "--expand-url": "curl's own variables", "--expand-data": "curl's own variables", "--expand-header": "curl's own variables",
}  # fmt: skip
_LONG = {
    "-X": "--request", "-H": "--header", "-d": "--data", "-F": "--form", "-G": "--get", "-I": "--head", "-u": "--user", "-b": "--cookie",
    "-A": "--user-agent", "-e": "--referer", "-T": "--upload-file", "-k": "--insecure", "-L": "--location", "-n": "--netrc", "-x": "--proxy",
    "-E": "--cert", "-K": "--config", "-U": "--proxy-user", "--data-ascii": "--data",
}  # fmt: skip
_WITH_VALUE = frozenset(
    (
        "--request --header --data --data-raw --data-binary --data-urlencode --json --form --form-string --user --cookie --user-agent --referer "
        "--upload-file --url --url-query --oauth2-bearer --proxy-user --proxy-header --cert --key --config --aws-sigv4 --variable --expand-url "
        "--expand-data --expand-header"
    ).split()
)
_BARE = frozenset({"--get", "--head", "--next", "--digest", "--ntlm", "--negotiate"})


def options_in(word: str, following: Iterator[str]) -> Iterator[tuple[str, str, int]]:
    """The options of one word (`-sSL` has three), with how many of the following words they took."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        yield _option(name, value if equals else None, following)
        return
    for number, letter in enumerate(word[1:], 1):
        name = f"-{letter}"
        rest = word[number + 1 :]
        if _takes_value(name):
            yield _option(name, rest or None, following)
            return
        yield _option(name, None, following)


def _takes_value(name: str) -> bool:
    long = _LONG.get(name, name)
    return name in _IGNORED_VALUE or long in _WITH_VALUE or long in _TOLD_VALUE


def _option(name: str, value: str | None, following: Iterator[str]) -> tuple[str, str, int]:
    long = _LONG.get(name, name)
    if not _takes_value(name):
        if not (name in _IGNORED or long in _TOLD or long in _BARE or name.startswith("--no-")):
            raise UnreadableCommand(f"curl's option {name[:40]} is not known here; take it out, or say what it does with -H, -d or the URL")
        return long, "", 0
    if value is not None:
        return long, value, 0
    try:
        return long, next(following), 1
    except StopIteration:
        raise UnreadableCommand(f"curl's option {name[:40]} needs a value after it; copy the whole command") from None
