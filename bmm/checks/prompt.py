"""Credentials in a prompt, before anything of it reaches a model."""

from bmm.checks.secrets import hits
from bmm.core.finding import Finding


def scan_text(text: str) -> list[Finding]:
    """Every credential in a text, with its line and never its value: findings `secret.in_prompt`, all of them blocks."""
    return [
        Finding(
            level="block",
            id="secret.in_prompt",
            line=hit.line,
            message=f"Line {hit.line} holds what looks like {hit.kind}.",
            fix="Take it out and name it instead, such as NOTION_TOKEN; its value is asked for before the build",
        )
        for hit in hits(text)
    ]
