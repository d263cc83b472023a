"""`make demo`: the main job for real, shown step by step: document → server → sign-in and consent → tool calls → counted.

    python packaging/demo.py [FILE_OR_URL]

Leaves the appliance running; `bmm down` ends it.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx2

from bmm.cli.parts.client import Client as Api
from bmm.config import Config, load
from bmm.core import address
from bmm.core.call import Call
from bmm.errors import BmmError
from bmm.servers import detached
from tests.oauth_client import Memory, connected, provider
from tests.person import Person, link_in_log

ROOT = Path(__file__).resolve().parent.parent
SHOP_PORT, SHOP_KEY = 8081, "demo-key"
SETTINGS = {
    "BMM_ALLOW_UNENFORCED_LIMITS": "true",
    "BMM_EGRESS_EXCEPTIONS": json.dumps({f"shop.test:{SHOP_PORT}": "127.0.0.1"}),
    "BMM_EGRESS_PLAIN_HTTP": json.dumps([f"shop.test:{SHOP_PORT}"]),
}
"""What the demo asks of an operator: a host without enforced limits will do, and the shop on this machine may be reached without TLS."""


def main(arguments: list[str]) -> int:
    os.environ |= {name: value for name, value in SETTINGS.items() if name not in os.environ}
    config = load()
    begun = time.monotonic()
    try:
        serve_log = start_appliance(config)
        if arguments:
            run_document(config, arguments[0], serve_log)
        else:
            run_shop(config, serve_log)
    except (BmmError, subprocess.CalledProcessError, AssertionError) as error:
        say(f"stopped: {getattr(error, 'user_message', error)}")
        return 1
    say(f"done in {time.monotonic() - begun:.1f} s. The appliance goes on running: `bin/bmm ps` shows it, `bin/bmm down` ends it")
    return 0


def run_shop(config: Config, serve_log: Path) -> None:
    step("A small shop API with a published OpenAPI document, on loopback")
    start_shop(config)
    say(f"http://127.0.0.1:{SHOP_PORT}/openapi.yaml describes it; its key is {SHOP_KEY!r}")
    spec = compile_document(config, f"http://127.0.0.1:{SHOP_PORT}/openapi.yaml")
    deploy(config, spec, "shop", secrets=dict.fromkeys(needed_secrets(spec), SHOP_KEY))
    asyncio.run(call_tools(config, serve_log))
    step("Every call was counted")
    for call in Api(config).get("/api/servers/shop/calls?limit=2", list[Call]):
        say(f"{call.at:%H:%M:%S}  {call.tool:<16} {'ok' if call.ok else call.error}  {call.ms:.1f} ms  by {call.client}")


def run_document(config: Config, document: str, serve_log: Path) -> None:
    spec = compile_document(config, document)
    placeholders = {key: os.environ.get(key, "demo-placeholder") for key in needed_secrets(spec)}
    for key in placeholders:
        say(
            f"{key}: {'from the environment' if key in os.environ else 'a placeholder; set the variable, or `bin/bmm secret set demo ' + key + '`'}"
        )
    deploy(config, spec, "demo", secrets=placeholders)
    url = address.endpoint(config.public_url, "demo")
    step("An OAuth client registers, a person signs in and consents")
    asyncio.run(consent_only(config, url, serve_log))


async def call_tools(config: Config, serve_log: Path) -> None:
    url = address.endpoint(config.public_url, "shop")
    step("An OAuth client registers, a person signs in and consents (the official MCP client, the real forms)")
    person, memory = Person(config.public_url, link_in_log(serve_log), say), Memory()
    try:
        async with connected(url, person, memory, say) as client:
            say(f"connected to {url}, protocol {client.protocol_version}")
            tools = (await client.list_tools()).tools
            say(f"tools: {', '.join(tool.name for tool in tools)}")
            step("Two tool calls")
            for name, arguments in (("listProducts", {}), ("createOrder", {"items": [{"product_id": "p-100", "quantity": 2}]})):
                say(f"→ {name} {json.dumps(arguments)}")
                result = await client.call_tool(name, arguments)
                text = getattr(result.content[0], "text", "") if result.content else ""
                say(f"← {'error: ' if result.is_error else ''}{text[:400]}")
                assert not result.is_error, "a tool call failed"
    finally:
        person.close()


async def consent_only(config: Config, url: str, serve_log: Path) -> None:
    person, memory = Person(config.public_url, link_in_log(serve_log), say), Memory()
    try:
        async with httpx2.AsyncClient(auth=provider(url, person, memory, say), timeout=40) as http:
            answer = await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert answer.status_code == 200, f"{url} answered {answer.status_code}: {answer.text[:200]}"
        say(f"authorised; {url} lists {len(answer.json()['result']['tools'])} tools")
    finally:
        person.close()


def compile_document(config: Config, document: str, *options: str) -> bytes:
    step(f"Compile {document}")
    done = subprocess.run(bmm("compile", "openapi", document), stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise AssertionError("the document cannot be used; the line above says why")
    spec = json.loads(done.stdout)
    say(
        f"{len(spec['tools'])} tools, hosts {', '.join(host['name'] for host in spec.get('hosts', []))}, secrets {needed_secrets(done.stdout)}"
    )
    return done.stdout


def deploy(config: Config, spec: bytes, slug: str, *, secrets: dict[str, str]) -> None:
    step(f"Deploy it as {slug!r}")
    for key, value in secrets.items():
        subprocess.run(bmm("secret", "set", slug, key, "--next"), input=value.encode(), check=True)
    subprocess.run(bmm("deploy", "-", "--slug", slug), input=spec, check=True)


def start_appliance(config: Config) -> Path:
    step("The appliance")
    log = config.data / "log" / "serve.log"
    program = detached.Program(name="serve", command=bmm("serve"), socket=config.run / "admin.sock", log=log)
    found = detached.answers(program.socket)
    assert not found or started_by_demo(config), "an appliance runs here already and shows its sign-in links elsewhere; end it with `bin/bmm down` first"
    also = (*SETTINGS, "BMM_RUNTIME_DIR", "BMM_LISTEN", "BMM_PUBLIC_URL")
    # The very first start compiles the code, makes keys and starts three more processes: more than 15 s on a slow virtual machine.
    detached.ensure(program, run=config.run, environ=os.environ, also=also, timeout=60.0)
    say(f"{'runs' if found else 'started'} on {config.public_url} (in the browser: {config.public_url}/signin), log {log}")
    for name, value in SETTINGS.items():
        say(f"setting {name.removeprefix('BMM_').lower()} = {value}")
    return log


def started_by_demo(config: Config) -> bool:
    """Whether the running `bmm serve` is one of ours, whose terminal is the log file."""
    noted = config.run / "serve.pid"
    return noted.exists() and noted.read_text().split()[:1] == (config.data / "lock").read_text().split()[:1]


def start_shop(config: Config) -> None:
    command = (sys.executable, str(ROOT / "packaging/shop.py"), "--port", str(SHOP_PORT), "--key", SHOP_KEY)
    with httpx2.Client(timeout=2) as http:
        for attempt in range(100):
            try:
                http.get(f"http://127.0.0.1:{SHOP_PORT}/openapi.yaml").raise_for_status()
                return
            except httpx2.HTTPError:
                if attempt == 0:
                    log = (config.data / "log" / "shop.log").open("ab")
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
                time.sleep(0.1)
    raise AssertionError(f"the shop did not start on port {SHOP_PORT}")


def needed_secrets(spec: bytes) -> list[str]:
    return [need["key"] for need in json.loads(spec).get("secrets", [])]


def bmm(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "bmm", *words)


def step(title: str) -> None:
    print(f"\n\033[1m── {title}\033[0m" if sys.stdout.isatty() else f"\n── {title}", flush=True)


def say(text: str) -> None:
    print(f"   {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
