"""What people ask for, and the tool of a well-known document that does it: among the first five that find_tools names."""

from functools import cache

import pytest

from runner.protocol.cost import tokens_of
from runner.protocol.ranking import Index
from runner.protocol.search import listing, search_tools
from tests.known.test_known_documents import GITHUB, KUBERNETES_2, STRIPE, Document, compiled

ASKED = [
    (GITHUB, "create an issue", "issues_create"),
    (GITHUB, "list pull requests", "pulls_list"),
    (GITHUB, "merge pull request", "pulls_merge"),
    (GITHUB, "delete a branch protection", "repos_delete-branch-protection"),
    (GITHUB, "comment on an issue", "issues_create-comment"),
    (GITHUB, "add a label to an issue", "issues_add-labels"),
    (GITHUB, "get the readme of a repo", "repos_get-readme"),
    (GITHUB, "star a repository", "activity_star-repo-for-authenticated-user"),
    (GITHUB, "fork a repo", "repos_create-fork"),
    (GITHUB, "invite a user to an organization", "orgs_create-invitation"),
    (GITHUB, "rerun failed jobs", "actions_re-run-workflow-failed-jobs"),
    (GITHUB, "create a webhook", "repos_create-webhook"),
    (STRIPE, "create a customer", "PostCustomers"),
    (STRIPE, "list invoices", "GetInvoices"),
    (KUBERNETES_2, "read pod log", "readCoreV1NamespacedPodLog"),
    (KUBERNETES_2, "delete a deployment", "deleteAppsV1NamespacedDeployment"),
]


@cache
def index(document: Document) -> Index:
    return Index(compiled(document).spec.tools)


@pytest.mark.parametrize(("document", "query", "tool"), ASKED, ids=[query for _, query, _ in ASKED])
def test_a_query_finds_its_tool(document: Document, query: str, tool: str) -> None:
    assert tool in [each.name for each in index(document).ranked(query)[:5]]


def test_a_long_list_is_searched_for_a_hundredth_of_its_tokens() -> None:
    spec = compiled(GITHUB).spec
    assert listing(spec).search
    assert tokens_of(search_tools(spec)) * 100 < tokens_of(spec.tools)
    # The Claude tokenizer that `anthropic` 0.34 bundles counts 188,711 for this document's tools.
    assert tokens_of(spec.tools) == pytest.approx(188_711, rel=0.05)
