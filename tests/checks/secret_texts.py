"""Texts with credentials in them, made up anew from their forms, and harmless texts that look a little like them."""
# ruff: noqa: E501

import base64
import json
import random
import string
import textwrap
from collections.abc import Callable
from urllib.parse import quote

_LETTERS = string.ascii_letters + string.digits


def _random(chance: random.Random, count: int, letters: str = _LETTERS) -> str:
    return "".join(chance.choice(letters) for _ in range(count))


def keys(seed: int) -> dict[str, str]:
    """One credential of each kind that the issue names."""
    chance = random.Random(seed)
    upper, hexes = string.ascii_uppercase + "234567", "0123456789abcdef"
    jwt = ".".join(
        base64.urlsafe_b64encode(each).decode().rstrip("=")
        for each in (b'{"alg":"HS256","typ":"JWT"}', json.dumps({"sub": _random(chance, 12)}).encode(), _random(chance, 32).encode())
    )
    return {
        "Anthropic": f"sk-ant-api03-{_random(chance, 93)}AA",
        "OpenAI": f"sk-proj-{_random(chance, 60)}",
        "old OpenAI": f"sk-{_random(chance, 20)}T3BlbkFJ{_random(chance, 20)}",
        "GitHub": f"ghp_{_random(chance, 36)}",
        "fine-grained GitHub": f"github_pat_{_random(chance, 22)}_{_random(chance, 59)}",
        "AWS": f"AKIA{_random(chance, 16, upper)}",
        "Google": f"AIza{_random(chance, 35)}",
        "Slack": f"xoxb-{_random(chance, 12, string.digits)}-{_random(chance, 12, string.digits)}-{_random(chance, 24)}",
        "Stripe": f"sk_live_{_random(chance, 24)}",
        "JWT": jwt,
        "PEM": "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(textwrap.wrap(_random(chance, 320), 64)) + "\n-----END RSA PRIVATE KEY-----",
        "Postgres": f"postgresql://shop:{_random(chance, 14)}@db.example.com:5432/shop",
        "MySQL": f"mysql://root:{_random(chance, 9)}!@10.0.0.7/orders",
        "password": f"Tr0ub4dor&{_random(chance, 5)}",
        "api key": _random(chance, 40, hexes) + "7f",
        "AWS secret": _random(chance, 38) + "/1",
    }


_SENTENCES: dict[str, str] = {
    "password": "The password is {}",
    "api key": "Our weather service; api_key={}",
    "AWS secret": 'aws_secret_access_key = "{}"',
}
FORMS: dict[str, Callable[[str], str]] = {
    "sentence": lambda key: f"Make tools for our service. Use {key} to sign in, and list the orders.",
    "shell": lambda key: f"export TOKEN={key}\ncurl https://api.example.com/",
    "json": lambda key: json.dumps({"headers": {"Authorization": f"Bearer {key}"}}, indent=1),
    "look-alike hyphens": lambda key: f"use {key.replace('-', chr(0x2011))} please",
    "split over lines": lambda key: "the key is\n" + "\n".join(textwrap.wrap(key, 18, break_on_hyphens=False)) + "\nthat is it",
    "quoted lines": lambda key: " +\n  ".join(f'"{each}"' for each in textwrap.wrap(key, 20, break_on_hyphens=False)),
    "base64": lambda key: f"config: {base64.b64encode(key.encode()).decode()}",
    "base64 in lines": lambda key: f"config:\n{base64.encodebytes(f'token={key}'.encode()).decode()}",
    "percent": lambda key: f"https://api.example.com/?x={quote(key, safe='').replace('-', '%2D').replace('_', '%5F')}",
    "zero width": lambda key: key[:9] + "\u200b" + key[9:],
    "wide": lambda key: "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in key),
    "spaced": lambda key: " ".join(key),
    "hex": lambda key: key.encode().hex(),
    "backwards": lambda key: key[::-1],
}
_SPLITS = {"spaced", "backwards", "hex", "percent", "quoted lines", "base64 in lines", "wide", "zero width"}
# A password has no form of its own: only the words beside it tell.
_SHAPELESS = {"password", "api key", "AWS secret"}


def with_secrets() -> list[tuple[str, str, str]]:
    """Name, text and the credential in it."""
    found: list[tuple[str, str, str]] = []
    for number, (form, write) in enumerate(FORMS.items()):
        for kind, key in keys(number).items():
            if kind in _SHAPELESS:
                if form in ("sentence", "look-alike hyphens", "zero width"):
                    found.append((f"{kind}, {form}", _SENTENCES[kind].format(write(key) if form == "zero width" else key), key))
            elif not (kind in ("JWT", "PEM", "Postgres", "MySQL") and form in _SPLITS - {"base64 in lines", "hex"}):
                found.append((f"{kind}, {form}", write(key), key))
    return found


HARMLESS = [
    "Read-only access to the users and orders tables of my Postgres at db.example.com",
    "Use the secret NOTION_TOKEN; I will set it later.",
    "The API key goes into the header X-API-Key.",
    "api_key: YOUR_API_KEY", "token=<your token here>", "password: ********", "Authorization: Bearer <token>", "Authorization: Bearer $TOKEN",
    "curl -H 'Authorization: Bearer ${GITHUB_TOKEN}' https://api.github.com/user", "postgresql://user:password@localhost/db",
    "postgres://$USER:$PASSWORD@host/db", "mysql://root:<password>@db/orders", "redis://localhost:6379/0", "https://example.com:8443/path",
    "https://user@example.com/path", "git@github.com:owner/repository.git", "ssh://git@example.com:2222/a.git", "sk-ant-api03-...", "sk-ant-...",
    "A key looks like sk-ant-xxxxxxxxxxxxxxxxxxxxxxxx", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "AKIAIOSFODNN7EXAMPLE", "AIza...", "xoxb-your-token",
    "sk_test_your_key_here_please", "The token is stored in the vault.", "The password must have 12 characters, a digit and a sign.",
    "Reset the password by mail.", "Every token counts: 100k tokens in, 8k tokens out.", "max_tokens=4096 and top_p=0.9",
    "next_page_token: CAUQAAoHCgVsaW1pdBIDMTAw", "pageToken=abc123def456ghi789jkl", "The primary key is order_id_2024_final.",
    "Idempotency-Key: 5f0c3b1e-8f0a-4c7d-9d3a-2b7f3b0c9e11", "cache key: user:42:orders:2024-01-31:page1", "sort key = created_at#2024-01-31T10:00:00Z",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "The order 8a7d6f5e-4c3b-2a19-0f8e-7d6c5b4a3f2e is late.", "UUID 123e4567-e89b-12d3-a456-426614174000", "md5 d41d8cd98f00b204e9800998ecf8427e",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "SGVsbG8gd29ybGQsIHRoaXMgaXMgYSBoYXJtbGVzcyB0ZXh0IG9mIHNvbWUgbGVuZ3RoLg==", "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQ==",
    "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7\n-----END PUBLIC KEY-----", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh0 anna@laptop",
    "pk_live_51H8abcDEFghiJKLmnoPQRstu is the publishable one", "price_1NxYzABCDEF123456 and cus_NffrFeUfNV2Hib", "Slack channel C024BE91L, user U023BECGF, team T0123ABC",
    "https://hooks.slack.com/services/ is where webhooks go", "arn:aws:iam::123456789012:role/Reader", "arn:aws:s3:::my-bucket/reports/2024", "eu-central-1",
    "projects/my-project-123456/locations/europe-west1", "Jira project key: PROJ, issue PROJ-1234", "translation key: checkout.button.label2",
    "The licence key field is optional.", "secret santa list for 2024", "key = value pairs, one a line", "key: created_at, order: descending", "token: string",
    '{"type": "object", "properties": {"api_key": {"type": "string"}}}', '{"password": {"type": "string", "minLength": 12}}', "password=null", "api_key=None", "secret: true",
    'headers = {"Authorization": f"Bearer {token}"}', 'token = await ctx.secret("GITHUB_TOKEN")', "key = hashlib.sha256(text.encode()).hexdigest()", 'key = os.environ["API_KEY"]',
    "api_key = config.services.weather_v2.api_key", "password = getpass.getpass()", "secret = secrets.token_hex(32)", "access_token = response.json()['access_token']",
    "SELECT key, value FROM settings WHERE key = 'theme2'", "GET /v1/keys/123456/rotate", "The key F5 reloads; the key F12 opens the tools.", "keys: Ctrl+Shift+P, Ctrl+K Ctrl+S",
    "My phone is +49 171 1234567 and my IBAN DE89370400440532013000.", "The card 4242 4242 4242 4242 is for tests.", "Meet at 10:30 @ room B2:15", "5:30@office",
    "ratio 16:9@60", "smtp://mail.example.com:587", "amqp://guest:guest@localhost:5672/", "mongodb://localhost:27017/test", "postgresql://reader@db.example.com/shop",
    "Base URL https://api.stripe.com/v1, version 2024-06-20", "The endpoint is https://api.openai.com/v1/chat/completions with gpt-4o-mini-2024-07-18.",
    "model: claude-sonnet-4-5-20250929", "skating-and-skiing-2024-schedule-final-version-for-all", "task-tracking-system-with-priorities-and-labels", "risk-anticipation-and-planning",
    "A long-hyphenated-file-name-2024-01-31-final-final-v2.pdf", "https://docs.google.com/document/d/1A2b3C4d5E6f7G8h9I0jKlMnOpQrStUvWxYz/edit", "YouTube video dQw4w9WgXcQ",
    "notion page 8a7d6f5e4c3b2a190f8e7d6c5b4a3f2e", "npm package @types/node@20.11.5, pip package requests==2.31.0", "sha512-KNwaKEo+m5ahl0MdlfKOC6+e3oTpI0v5y4EX9uadfBsrUyXSTGg/k3XSRw5rlGhDlWUOItBPDutBDiHxgRS6vg==",
    "Farbcodes #1a2b3c und #ffeedd, Schlüssel: siehe Tresor, Passwort: vergessen", "パスワードは設定しないでください。トークンは後で設定します。", "Пароль не нужен, ключ будет задан позже.",
    "le mot de passe est dans le coffre", "The passphrase has four words.", "pwd: /home/anna/projects2/shop", "password policy: rotate every 90d", "token ring network, 1985",
    "Use OAuth 2.1 with PKCE S256; the code_challenge is 43 characters.", "Basic authentication with the user `reader`.", "Basic plan: 10 GB, Pro plan: 100 GB", "the bearer of bad news",
]  # fmt: skip
