"""Which server a `resource` means."""

import pytest

from bmm.config import Config
from bmm.core.access import Protected
from bmm.oauth.errors import OAuthError
from bmm.oauth.urls import endpoint_url, metadata_url, named_slug, only_choice

CONFIG = Config(public_url="https://mcp.example.com")


def protected(slug: str) -> Protected:
    return Protected(id=f"srv_{slug}", organisation_id="org", slug=slug, name=slug, status="live", version=1, scopes_json="[]", origins_json="[]")


def test_the_urls_of_a_server() -> None:
    assert endpoint_url(CONFIG, "shop") == "https://mcp.example.com/s/shop/mcp"
    assert metadata_url(CONFIG, "shop") == "https://mcp.example.com/.well-known/oauth-protected-resource/s/shop/mcp"


@pytest.mark.parametrize(
    "resource",
    [
        "https://mcp.example.com/s/shop/mcp",
        "https://mcp.example.com/s/shop/mcp/",
        "HTTPS://MCP.Example.COM/s/shop/mcp",
        "https://mcp.example.com:443/s/shop/mcp",
    ],
)
def test_every_way_of_writing_the_endpoint_names_the_server(resource: str) -> None:
    assert named_slug(CONFIG, [resource]) == "shop"


@pytest.mark.parametrize("resources", [[], ["https://mcp.example.com"], ["https://mcp.example.com/"]])
def test_the_origin_or_nothing_names_no_server(resources: list[str]) -> None:
    assert named_slug(CONFIG, resources) is None


@pytest.mark.parametrize(
    "resource",
    [
        "https://other.example.com/s/shop/mcp",
        "http://mcp.example.com/s/shop/mcp",
        "https://mcp.example.com:8443/s/shop/mcp",
        "https://mcp.example.com/s/SHOP/mcp",
        "https://mcp.example.com/s/shop/mcp/x",
        "https://mcp.example.com/s/shop/../shop/mcp",
        "https://mcp.example.com/s/shop",
        "https://mcp.example.com/s/shop/mcp?x=1",
        "https://mcp.example.com/s/shop/mcp#x",
        "https://a@mcp.example.com/s/shop/mcp",
        "https://mcp.example.com:x/s/shop/mcp",
        '["https://mcp.example.com/s/shop/mcp"]',
        "shop",
    ],
)
def test_anything_else_is_an_invalid_target(resource: str) -> None:
    with pytest.raises(OAuthError) as caught:
        named_slug(CONFIG, [resource])
    assert caught.value.code == "invalid_target"


def test_two_servers_at_once_are_an_invalid_target() -> None:
    same = "https://mcp.example.com/s/shop/mcp"
    assert named_slug(CONFIG, [same, same + "/", "https://mcp.example.com"]) == "shop"
    with pytest.raises(OAuthError, match="one server at a time"):
        named_slug(CONFIG, [same, "https://mcp.example.com/s/blog/mcp"])


def test_where_nothing_is_named_the_only_server_is_meant_and_never_one_of_several() -> None:
    assert only_choice(CONFIG, [protected("shop")]).slug == "shop"
    for choices in ([], [protected("shop"), protected("blog")]):
        with pytest.raises(OAuthError) as caught:
            only_choice(CONFIG, choices)
        assert caught.value.code == "invalid_target"
        assert "blog" not in caught.value.user_message
