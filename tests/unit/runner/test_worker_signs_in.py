"""Code that signs in: it names secrets, the guard answers the challenge and shows the certificate."""

from pathlib import Path

import pytest

from runner.contract import CertificateCredential
from runner.tools.http import Upstreams
from runner.tools.outgoing import Outgoing, Refused
from tests.digest_server import Rules, digest_server
from tests.mutual_server import asking, mutual_server
from tests.real.authority import Authority
from tests.unit.runner.coded import serving
from tests.unit.runner.test_identity import SAFE

ASK = """
    answer = await ctx.http.post("http://shop.test:8081/items?x=1", json={"a": 1}, digest=("SHOP_KEY", "SHOP_KEY"))
    return {"status": answer.status, **answer.json()}
"""


async def test_code_names_two_secrets_and_the_guard_answers_the_challenge(tmp_path: Path) -> None:
    host = Rules(username="hunter22", password="hunter22", algorithms=("SHA-256",))
    with digest_server(host, tmp_path / "0.sock"):
        async with serving(tmp_path) as server:
            answers = [await server.call(ASK) for _ in range(2)]
    assert [each.structured for each in answers] == [{"status": 200, "ok": True, "got": 7}] * 2
    assert host.statuses == [401, 200, 200]


async def test_what_code_cannot_sign_in_with_is_told(tmp_path: Path) -> None:
    host = Rules()
    begin = 'await ctx.http.get("http://shop.test:8081/x", '
    with digest_server(host, tmp_path / "0.sock"):
        async with serving(tmp_path) as server:
            words = [
                (await server.call(f"{begin}{rest}")).words
                for rest in (
                    'digest=("SHOP_KEY", "UNLISTED"))',
                    'digest=("SHOP_KEY", "UNSET"))',
                    'digest=("SHOP_KEY", "SHOP_KEY"), headers={"authorization": "x"})',
                    'certificate="PEM")',
                    'digest=("SHOP_KEY", await ctx.secret("SHOP_KEY")))',
                    'certificate=await ctx.secret("PEM") + "x")',
                )
            ]
    assert "does not list the secret UNLISTED" in words[0]
    assert "needs UNSET" in words[1]
    assert "leave the header out" in words[2]
    assert "Only https can show a client certificate" in words[3]
    assert all("by something that is not the name of one" in each and "hunter22" not in each and "BEGIN" not in each for each in words[4:])
    assert host.seen == []


async def test_code_shows_a_certificate_where_it_says_so_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority()
    (tmp_path / "trust.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trust.pem"))
    secrets = {"BOTH": "".join(path.read_text() for path in authority.issue(tmp_path, "ann")), "BROKEN": "s3cr3t"}
    upstreams = Upstreams((SAFE,), egress=tmp_path)
    outgoing = Outgoing(upstreams)
    refused: list[Refused] = []
    with mutual_server(asking(tmp_path, authority, "safe.test"), tmp_path / "1.sock") as host:
        for key in ("BOTH", None, "BROKEN"):
            shown = None if key is None else CertificateCredential(certificate=key)
            try:
                assert (await outgoing.send("GET", "https://safe.test/x", (), None, certificate=shown, secrets=secrets)).status == 200
            except Refused as error:
                refused.append(error)
        await upstreams.close()
    assert [each["peer"] for each in host.seen] == ["ann"]
    assert [each.code for each in refused] == ["upstream_unauthorized", "secret_unusable"]
    assert "s3cr3t" not in refused[1].message
