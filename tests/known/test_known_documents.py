"""Documents that many people will bring: how many tools they become, and exact requests of some. Fetched once from npm packages."""

import re
from functools import cache

import pytest
from msgspec import Struct

from bmm.sources import Compiled, compile_openapi
from runner.contract import HttpTool
from runner.tools.request import build_request
from tests import corpus

SECRET = "s3cret"
BASIC = "Basic czNjcmV0OnMzY3JldA=="
SID = "AC" + "0" * 32
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Document(Struct, frozen=True):
    """A document in a package, and between how many tools it becomes: later readings of it may find a few more or fewer."""

    package: corpus.Package
    path: str
    tools: tuple[int, int]


GITHUB = Document(corpus.DIRECTORY, "github.com/api.github.com.json", (790, 850))
STRIPE = Document(corpus.DIRECTORY, "stripe.com.json", (430, 455))
TWILIO = Document(corpus.DIRECTORY, "twilio.com/api.json", (180, 200))
SLACK = Document(corpus.DIRECTORY, "slack.com.json", (165, 175))
KUBERNETES = Document(corpus.DIRECTORY, "kubernetes.io.json", (830, 850))
KUBERNETES_2 = Document(corpus.KUBERNETES, "swagger-1.13.json.gz", (950, 1000))
DIGITALOCEAN = Document(corpus.DIRECTORY, "digitalocean.com.json", (280, 292))
BOX = Document(corpus.DIRECTORY, "box.com.json", (250, 262))
SPOTIFY = Document(corpus.DIRECTORY, "spotify.com.json", (85, 89))
DRIVE = Document(corpus.DIRECTORY, "googleapis.com/drive.json", (45, 51))
SQS = Document(corpus.DIRECTORY, "amazonaws.com/sqs.json", (44, 46))
OPENAI = Document(corpus.DIRECTORY, "openai.com.json", (20, 24))
FIGMA = Document(corpus.FIGMA, "openapi.yaml", (45, 52))
ALL = (GITHUB, STRIPE, TWILIO, SLACK, KUBERNETES, KUBERNETES_2, DIGITALOCEAN, BOX, SPOTIFY, DRIVE, SQS, OPENAI, FIGMA)


class Sent(Struct, frozen=True):
    """A whole request, but for the two headers that every request has and with B for the boundary between parts."""

    line: str
    headers: dict[str, str] = {}
    body: str | None = None


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """Here and not in each test, so that a registry that does not answer is asked once."""
    for package in {each.package.name: each.package for each in ALL}.values():
        corpus.fetch(package)


@cache
def compiled(document: Document) -> Compiled:
    return compile_openapi(corpus.document(document.package, document.path), location="https://api.example.com/openapi.json")


def request(document: Document, tool: str, /, **arguments: object) -> Sent:
    spec = compiled(document).spec
    found = next(each for each in spec.tools if each.name == tool)
    assert isinstance(found, HttpTool)
    sent = build_request(found, arguments, {need.key: SECRET for need in spec.secrets})
    headers = {name: value for name, value in sent.headers if name not in ("Accept", "User-Agent")}
    body = None if sent.body is None else sent.body.decode()
    if boundary := re.search(r"boundary=(\S+)", headers.get("Content-Type", "")):
        headers["Content-Type"] = headers["Content-Type"].replace(boundary.group(1), "B")
        body = body.replace(boundary.group(1), "B") if body else body
    return Sent(f"{sent.method} {sent.url}", headers, body)


@pytest.mark.parametrize("document", ALL, ids=lambda document: document.path)
def test_a_known_document_becomes_tools_without_an_error(document: Document) -> None:
    found = compiled(document)
    least, most = document.tools
    assert least <= len(found.spec.tools) <= most
    assert [str(each) for each in found.findings if each.level == "error"] == []


def test_github_issues() -> None:
    listed = request(GITHUB, "issues_list-for-repo", owner="octo cat", repo="hello", labels="bug,ui", per_page=2, state="all")
    assert listed == Sent("GET https://api.github.com/repos/octo%20cat/hello/issues?state=all&labels=bug%2Cui&per_page=2")
    created = request(GITHUB, "issues_create", owner="octocat", repo="hello", title="It broke", labels=["bug"], assignee=None)
    line = "POST https://api.github.com/repos/octocat/hello/issues"
    assert created == Sent(line, {"Content-Type": JSON}, '{"assignee":null,"labels":["bug"],"title":"It broke"}')


def test_github_takes_files_on_another_host() -> None:
    sent = request(GITHUB, "repos_upload-release-asset", owner="octocat", repo="hello", release_id=7, name="a b.zip", body="UEsDBA==")
    line = "POST https://uploads.github.com/repos/octocat/hello/releases/7/assets?name=a%20b.zip"
    assert sent == Sent(line, {"Content-Type": "application/octet-stream"}, "PK\x03\x04")


def test_stripe_spreads_objects_over_brackets() -> None:
    created = request(
        STRIPE, "PostCustomers", email="ada@example.com", address={"city": "Paris", "line1": "1 rue A&B"}, metadata={"k": "v"}
    )
    body = "address%5Bcity%5D=Paris&address%5Bline1%5D=1%20rue%20A%26B&email=ada%40example.com&metadata%5Bk%5D=v"
    assert created == Sent("POST https://api.stripe.com/v1/customers", {"Content-Type": FORM, "Authorization": BASIC}, body)
    listed = request(STRIPE, "GetCharges", created={"gte": 5}, limit=3, expand=["data.customer", "data.refunds"])
    query = "created%5Bgte%5D=5&expand%5B0%5D=data.customer&expand%5B1%5D=data.refunds&limit=3"
    assert listed == Sent(f"GET https://api.stripe.com/v1/charges?{query}", {"Authorization": BASIC})


def test_twilio_repeats_lists_and_keeps_odd_names() -> None:
    sent = request(
        TWILIO,
        "CreateMessage",
        AccountSid=SID,
        To="+14155550100",
        From="+14155550199",
        Body="Hi & bye",
        MediaUrl=["https://a.example/1", "x"],
    )
    body = "Body=Hi%20%26%20bye&From=%2B14155550199&MediaUrl=https%3A%2F%2Fa.example%2F1&MediaUrl=x&To=%2B14155550100"
    line = f"POST https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages.json"
    assert sent == Sent(line, {"Content-Type": FORM, "Authorization": BASIC}, body)
    listed = request(TWILIO, "ListCall", AccountSid=SID, StartTime_query="2024-01-02T03:04:05Z", PageSize=2)
    query = "StartTime%3C=2024-01-02T03%3A04%3A05Z&PageSize=2"
    assert listed == Sent(f"GET https://api.twilio.com/2010-04-01/Accounts/{SID}/Calls.json?{query}", {"Authorization": BASIC})


def test_slack_lists_and_forms() -> None:
    listed = request(SLACK, "conversations_list", types="public_channel,im", limit=5, exclude_archived=True)
    query = "exclude_archived=true&types=public_channel%2Cim&limit=5"
    assert listed == Sent(f"GET https://slack.com/api/conversations.list?{query}", {"Authorization": f"Bearer {SECRET}"})


@pytest.mark.parametrize("document", [KUBERNETES, KUBERNETES_2], ids=lambda document: document.path)
def test_kubernetes_selects_and_creates(document: Document) -> None:
    server = "kubernetes.local" if document is KUBERNETES else "api.example.com"
    listed = request(document, "listCoreV1NamespacedPod", namespace="default", labelSelector="app=web,tier!=db", limit=5, watch=False)
    line = f"GET https://{server}/api/v1/namespaces/default/pods?labelSelector=app%3Dweb%2Ctier%21%3Ddb&limit=5&watch=false"
    assert listed == Sent(line, {"authorization": SECRET})
    created = request(document, "createAppsV1NamespacedDeployment", namespace="default", metadata={"name": "web"}, dryRun="All")
    assert created.headers == {"Content-Type": JSON, "authorization": SECRET}
    assert created.body == '{"metadata":{"name":"web"}}'


def test_digitalocean_takes_one_of_two_bodies() -> None:
    droplet = {"name": "a", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "ubuntu-20-04-x64"}
    sent = request(DIGITALOCEAN, "droplets_create", body=droplet)
    body = '{"name":"a","region":"nyc3","size":"s-1vcpu-1gb","image":"ubuntu-20-04-x64"}'
    headers = {"Content-Type": JSON, "Authorization": f"Bearer {SECRET}"}
    assert sent == Sent("POST https://api.digitalocean.com/v2/droplets", headers, body)


def test_box_joins_fields_with_commas_and_uploads_in_parts() -> None:
    shown = request(BOX, "get_files_id", file_id="12345", fields=["id", "type"], boxapi="shared_link=https://app.box.com/s/x")
    headers = {"boxapi": "shared_link=https://app.box.com/s/x", "Authorization": f"Bearer {SECRET}"}
    assert shown == Sent("GET https://api.box.com/2.0/files/12345?fields=id,type", headers)
    uploaded = request(BOX, "post_files_content", attributes={"name": "a.txt", "parent": {"id": "0"}}, file="aGVsbG8=")
    parts = (
        '--B\r\nContent-Disposition: form-data; name="attributes"\r\nContent-Type: application/json\r\n\r\n'
        '{"name":"a.txt","parent":{"id":"0"}}\r\n'
        '--B\r\nContent-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream\r\n\r\nhello\r\n--B--\r\n'
    )
    line, headers = "POST https://upload.box.com/api/2.0/files/content", {"Content-Type": "multipart/form-data; boundary=B"}
    assert uploaded == Sent(line, {**headers, "Authorization": f"Bearer {SECRET}"}, parts)


def test_spotify_searches() -> None:
    sent = request(SPOTIFY, "search", q="remaster track:Doxy", type=["album", "track"], limit=2)
    line = "GET https://api.spotify.com/v1/search?q=remaster%20track%3ADoxy&type=album,track&limit=2"
    assert sent == Sent(line, {"Authorization": f"Bearer {SECRET}"})


def test_google_drive_searches() -> None:
    sent = request(DRIVE, "drive_files_list", q="name contains 'x'", pageSize=3, fields="files(id,name)")
    line = "GET https://www.googleapis.com/drive/v3/files?fields=files%28id%2Cname%29&pageSize=3&q=name%20contains%20%27x%27"
    assert sent == Sent(line, {"Authorization": f"Bearer {SECRET}"})


def test_an_amazon_operation_is_told_apart_by_its_action() -> None:
    sent = request(
        SQS, "GET_SendMessage", AccountNumber=12, QueueName="orders", MessageBody="hi there", Action="SendMessage", Version="2012-11-05"
    )
    assert sent.line.partition("://")[2] == (
        "sqs.us-east-1.amazonaws.com/12/orders/?MessageBody=hi%20there&Action=SendMessage&Version=2012-11-05"
    )


def test_openai_takes_a_recording_in_parts() -> None:
    sent = request(OPENAI, "createTranscription", file="aGVsbG8=", model="whisper-1", temperature=0.5)
    assert sent == Sent(
        "POST https://api.openai.com/v1/audio/transcriptions",
        {"Content-Type": "multipart/form-data; boundary=B"},
        '--B\r\nContent-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream\r\n\r\nhello\r\n'
        '--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        '--B\r\nContent-Disposition: form-data; name="temperature"\r\n\r\n0.5\r\n--B--\r\n',
    )


def test_figma_renders() -> None:
    sent = request(FIGMA, "getImages", file_key="k", ids="1:2,3:4", scale=2, format="png")
    assert sent == Sent("GET https://api.figma.com/v1/images/k?ids=1%3A2%2C3%3A4&scale=2&format=png", {"X-Figma-Token": SECRET})
