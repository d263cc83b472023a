"""What code asks of `ctx`: the hosts, secrets and databases it names, and what it does with them."""

import ast
import re
from typing import Literal, TypedDict

from bmm.checks.reader.nodes import callee, returns
from bmm.checks.reader.rules import Said
from bmm.checks.reader.scopes import Scopes, Site
from bmm.checks.reader.values import ANY, Text, Values

_URL = re.compile(r"(?i)(https?)://([^/?#\\\s]*)")
_WRITING = re.compile(r"(?i)\s*(insert|update|delete|merge|replace|create|alter|drop|truncate|grant|revoke|call|do|copy|vacuum)\b")
ANY_METHOD = "REQUEST"
_SAYING = frozenset({"log", "progress", "elicit", "ask", "updated"})
_SHOWN = frozenset({"text", "resource", "link"})
_ONE_WAY = frozenset({"hashlib", "hmac"})
_HIDING = frozenset({"len", "bool", "isinstance", "hasattr", "type", "id", "callable", "any", "all"})
_TELLING = frozenset(
    {"startswith", "endswith", "isdigit", "isalnum", "isalpha", "isascii", "count", "find", "index", "hexdigest", "digest"}
)
"""Methods whose answers say little about the text they are asked of."""


class Uses(TypedDict):
    """`hosts`: scheme, host (with port) and line; `methods`: HTTP method and line; `writes`: lines of queries that change something."""

    hosts: list[tuple[str, str, int]]
    methods: list[tuple[str, int]]
    secrets: list[tuple[str, int]]
    databases: list[tuple[str, int]]
    writes: list[int]
    opaque: bool
    """Whether some address, key or database is not written in the code."""


class Reader:
    """Goes through every call once."""

    def __init__(self, tree: ast.Module, scopes: Scopes, values: Values) -> None:
        self.said: list[Said] = []
        self.uses = Uses(hosts=[], methods=[], secrets=[], databases=[], writes=[], opaque=False)
        self._scopes, self._values = scopes, values
        self._seen: set[ast.AST] = set()
        self._depth = 0
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.Raise) and node.exc is not None:
                self._show([node.exc], node, "an error")
            elif isinstance(node, ast.Assert) and node.msg is not None:
                self._show([node.msg], node, "an error")
            elif isinstance(node, ast.Compare):
                self._compared(node)
        for run in scopes.functions.get("run", []):
            self._show(returns(run), run, "the answer")

    def _call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Attribute(value=ast.Attribute(attr="http"), attr=method):
                self._request(node, method)
            case ast.Attribute(attr="secret"):
                self._secret(_argument(node, 0, "key"), node)
            case ast.Attribute(attr="sql"):
                self._query(node)
            case ast.Attribute(attr=name) if name in _SAYING or name in _SHOWN:
                self._show([*node.args, *(each.value for each in node.keywords)], node, "what others read")
            case ast.Attribute(value=holder, attr="write" | "writelines") if self._is_output(holder):
                self._show(node.args, node, "the log")
            case ast.Attribute(value=holder, attr=name) if name in _TELLING:
                self._told(holder, node.args, node)
            case ast.Name(id=name) | ast.Attribute(attr=name) if any(_catches(each) for each in self._scopes.functions.get(name, [])):
                self._signs_in(node)
            case ast.Name(id="print"):
                self._show([*node.args, *(each.value for each in node.keywords)], node, "the log")
            case ast.Name(id=name) if any(
                site.kind in ("value", "item", "param", "other") for site in self._scopes.around[node].sites(name)
            ):
                self._show(node.args, node, "a function that is not named here")
            case ast.Lambda() | ast.Call() | ast.Subscript():
                self._show(node.args, node, "a function that is not named here")
        functions = [
            each for each in node.args if isinstance(each, ast.Lambda) or (isinstance(each, ast.Name) and each.id in self._scopes.functions)
        ]
        if functions and any(self._is_secret(each) for each in node.args if each not in functions):
            message, fix = "A secret is handed to a function that another one calls.", "Call the function itself"
            self._say("ask", "secret.handed_on", node, message, fix)

    def _compared(self, node: ast.Compare) -> None:
        """A caller who may ask whether his text is in a secret, or below it, learns it letter by letter; whether it is equal, not."""
        for left, how, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            if isinstance(how, ast.In | ast.NotIn):
                self._told(right, [left], node)
            elif isinstance(how, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                self._told(left, [right], node)
                self._told(right, [left], node)

    def _told(self, held: ast.expr, asked: list[ast.expr], node: ast.AST) -> None:
        if (
            asked
            and self._is_secret(held)
            and any(self._values.texts(each) is None for each in asked if not isinstance(each, ast.Constant))
        ):
            self._say(
                "ask", "secret.compared", node, "What a secret holds is compared with something else.", "Compare with a text in the code."
            )

    def _is_output(self, node: ast.expr) -> bool:
        scope = self._scopes.around[node]
        if isinstance(node, ast.Name):
            return (scope.export(node.id) or ("", ""))[0] == "sys" or any(
                isinstance(site.node, ast.expr)
                and site.kind == "value"
                and not isinstance(site.node, ast.Name)
                and self._is_output(site.node)
                for site in scope.sites(node.id)
            )
        return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and scope.module(node.value.id) == "sys"

    def _request(self, node: ast.Call, method: str) -> None:
        at = 1 if method == "request" else 0
        if method == "request":
            how = _argument(node, 0, "method")
            named = None if how is None else self._values.texts(how)
            self.uses["methods"] += [(each.upper(), node.lineno) for each in named or [ANY_METHOD]]
        else:
            self.uses["methods"].append((method.upper(), node.lineno))
        if any(self._names_host(each.value) for each in node.keywords if each.arg == "headers"):
            self._say("block", "host.header", node, "The header Host names another server than the address.", "Leave the header out.")
        self._signs_in(node)
        url = _argument(node, at, "url")
        known, dark = 0, False
        for text in self._values.pieces(url) if url is not None else [(ANY,)]:
            place = _host(text)
            if place is None:
                dark = True
                continue
            known += 1
            self.uses["hosts"].append((place[0], place[1], node.lineno))
            if ANY in text:
                message, fix = (
                    "What a caller gives becomes part of an address.",
                    'Wrap it: `quote(value, safe="")` of `urllib.parse`, or pass it in `params`.',
                )
                self._say("ask", "url.interpolation", node, message, fix)
        if dark:
            self.uses["opaque"] = True
            message = (
                "The address of this request is computed, so its host cannot be listed."
                if not known
                else "This address may come from an answer."
            )
            fix = "Begin it with the host, as in `https://api.example.com/…`." if not known else "Only hosts of the spec can be reached."
            self._say("note" if known else "ask", "host.computed", node, message, fix)

    def _signs_in(self, node: ast.Call) -> None:
        """The secrets that a request, or a call whose keywords may become a request's, names to sign in with."""
        for each in node.keywords:
            if each.arg is None:
                self.uses["opaque"] = True
                # What a function of the code hands on is read where that is called.
                if not self._is_handed_on(each.value):
                    message = "What this request is made of is computed, so nobody sees which secrets it signs in with."
                    self._say("block", "secret.computed", node, message, "Write its parts out: `params=…, headers=…`.")
            elif each.arg in ("digest", "certificate") and not (isinstance(each.value, ast.Constant) and each.value.value is None):
                parts = each.value.elts if isinstance(each.value, ast.Tuple | ast.List) else [each.value]
                for part in parts:
                    self._secret(part, node)

    def _is_handed_on(self, value: ast.expr) -> bool:
        """Whether these are the keywords that the function around was called with, as they are."""
        if not isinstance(value, ast.Name):
            return False
        return [_catches(each.node) for each in self._scopes.around[value].sites(value.id)] == [value.id]

    def _names_host(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            sites = self._scopes.around[node].sites(node.id)
            return any(isinstance(each.node, ast.Dict) and self._names_host(each.node) for each in sites if each.kind == "value")
        if isinstance(node, ast.Call) and callee(node) == "dict":
            return any(str(each.arg).lower() == "host" for each in node.keywords)
        keys = node.keys if isinstance(node, ast.Dict) else []
        return any(isinstance(key, ast.Constant) and str(key.value).lower() == "host" for key in keys)

    def _secret(self, key: ast.expr | None, node: ast.Call) -> None:
        named = None if key is None else self._values.texts(key)
        if named is None:
            self.uses["opaque"] = True
            self._say("block", "secret.computed", node, "Which secret is read is computed.", 'Write its key: `await ctx.secret("KEY")`.')
        else:
            self.uses["secrets"] += [(each, node.lineno) for each in named]

    def _query(self, node: ast.Call) -> None:
        database, query = _argument(node, 0, "database"), _argument(node, 1, "query")
        named = None if database is None else self._values.texts(database)
        if named is None:
            self.uses["opaque"] = True
            self._say("ask", "database.computed", node, "Which database is asked is computed.", "Write its name.")
        else:
            self.uses["databases"] += [(each, node.lineno) for each in named]
        if query is None or not self._values.is_fixed(query):
            fix = "Write the text as it is and give values as `:name`, with `name=value` in the call; take names of columns from a dict in the code."
            self._say("block", "sql.built", node, "This query is put together from values.", fix)
        texts = [] if query is None else [str(text[0]) for text in self._values.pieces(query) if text and isinstance(text[0], str)]
        if any(_WRITING.match(each) for each in texts):
            self.uses["writes"].append(node.lineno)

    def _show(self, given: list[ast.expr], node: ast.AST, where: str) -> None:
        if any(self._is_secret(each) for each in given):
            self._say("block", "secret.shown", node, f"The value of a secret goes into {where}.", "Leave it out.")

    def _is_secret(self, node: ast.AST) -> bool:
        if not self._depth:
            self._seen.clear()
        # One way to a secret is enough, so each node is looked at once.
        if node in self._seen:
            return False
        self._seen.add(node)
        self._depth += 1
        try:
            return self._carries(node)
        finally:
            self._depth -= 1

    def _carries(self, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr="secret")):
                return True
            case ast.Call():
                return self._call_carries(node)
            case ast.Name(id=name):
                return any(self._site_carries(site, name) for site in self._scopes.around[node].sites(name))
            case ast.Attribute(attr=name):
                return any(self._is_secret(each) for each in self._scopes.attributes.get(name, []))
            case ast.Subscript(value=value):
                return self._is_secret(value)
            case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element) | ast.SetComp(elt=element):
                return self._is_secret(element)
            case ast.DictComp(key=key, value=value):
                return self._is_secret(key) or self._is_secret(value)
            case ast.Compare() | ast.Lambda() | ast.Constant():
                return False
            case ast.IfExp(body=one, orelse=other):
                return self._is_secret(one) or self._is_secret(other)
            case ast.expr():
                return any(self._is_secret(each) for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))
        return False

    def _call_carries(self, node: ast.Call) -> bool:
        """A call gives on what it is given, but for what asks others, what cannot be turned back, and functions of the code."""
        given = [*node.args, *(each.value for each in node.keywords)]
        match node.func:
            case ast.Attribute(value=ast.Attribute(attr="http")) | ast.Attribute(attr="sql"):
                return False
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in self._scopes.functions and name != "run":
                returned = [each for function in self._scopes.functions[name] for each in returns(function)]
                return any(self._is_secret(each) for each in returned)
            case ast.Name(id=name):
                scope = self._scopes.around[node]
                hides = name in _HIDING or (scope.export(name) or ("", ""))[0] in _ONE_WAY
                inner = [site.node.body for site in scope.sites(name) if isinstance(site.node, ast.Lambda)]
                return not hides and any(self._is_secret(each) for each in (*given, *inner))
            case ast.Attribute(value=holder, attr=name):
                module = self._scopes.around[holder].module(holder.id) if isinstance(holder, ast.Name) else None
                if module in _ONE_WAY or name in _TELLING:
                    return False
                return any(self._is_secret(each) for each in (*given, *(() if module else (holder,))))
        return any(self._is_secret(each) for each in given)

    def _site_carries(self, site: Site, name: str) -> bool:
        match site:
            case Site("param", ast.FunctionDef() | ast.AsyncFunctionDef() as function):
                return any(self._is_secret(each) for each in self._values.given(function, name) or ())
            case Site("other", ast.withitem(context_expr=value)) | Site("value" | "item" | "more" | "other", ast.expr() as value):
                return self._is_secret(value)
            case Site("other", ast.pattern() as pattern):
                outer: ast.AST = pattern
                while not isinstance(outer, ast.Match):
                    outer = self._scopes.parents[outer]
                return self._is_secret(outer.subject)
            case Site("other", ast.ExceptHandler() as handler):
                return any(self._tells(each) for part in getattr(self._scopes.parents[handler], "body", ()) for each in ast.walk(part))
        return False

    def _tells(self, node: ast.AST) -> bool:
        """Whether an error of this would quote a secret."""
        match node:
            case ast.Call(
                func=ast.Name(id="int" | "float" | "complex" | "Decimal" | "Fraction" | "ToolError" | "ValueError" | "Exception")
            ):
                return any(self._is_secret(each) for each in node.args)
            case ast.Call(func=ast.Attribute(attr="fromisoformat" | "strptime" | "index" | "remove" | "Decimal" | "UUID")):
                return any(self._is_secret(each) for each in node.args)
            case ast.Subscript(slice=index, ctx=ast.Load()):
                return self._is_secret(index)
        return False

    def _say(self, level: Literal["block", "ask", "note"], rule: str, node: ast.AST, message: str, fix: str) -> None:
        self.said.append(Said(level, rule, getattr(node, "lineno", 1), message, fix))


def _argument(node: ast.Call, at: int, name: str) -> ast.expr | None:
    if any(isinstance(each, ast.Starred) for each in node.args[: at + 1]):
        return None
    named = next((each.value for each in node.keywords if each.arg == name), None)
    return node.args[at] if len(node.args) > at else named


def _host(text: Text) -> tuple[str, str] | None:
    """Scheme and host, where both are written before anything that is not."""
    begin = ""
    for part in text:
        if not isinstance(part, str):
            break
        begin += part
    match = _URL.match(begin)
    if (
        match is None
        or not match[2]
        or (match.end() == len(begin) and len(begin) < sum(len(part) if isinstance(part, str) else 1 for part in text))
    ):
        return None
    return match[1].lower(), match[2].lower()


def _catches(node: ast.AST) -> str | None:
    """The name under which a function takes any keywords."""
    return node.args.kwarg.arg if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.kwarg is not None else None
