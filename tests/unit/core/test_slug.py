"""Which slugs are legal, and what the refusal suggests."""

import pytest

from bmm.core.slug import RESERVED, check_slug
from bmm.errors import BadInput


@pytest.mark.parametrize("slug", ["a", "7", "shop", "my-shop", "a--b", "a" * 63])
def test_letters_digits_and_inner_hyphens_are_legal(slug: str) -> None:
    assert check_slug(slug) == slug


@pytest.mark.parametrize("slug", ["", "-", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "a" * 64, "shop\n", "shöp", "²", "a b", "%2e"])
def test_anything_else_is_refused_with_a_legal_suggestion(slug: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_slug(slug)
    suggestion = refused.value.user_message.rsplit("'", 2)[1]
    assert check_slug(suggestion) == suggestion


@pytest.mark.parametrize("slug", [*sorted(RESERVED), "xn--shop"])
def test_reserved_words_are_refused(slug: str) -> None:
    with pytest.raises(BadInput, match="reserved"):
        check_slug(slug)
