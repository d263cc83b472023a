"""Names, imports and attributes: what code may name, read and change. What is not known is refused."""

import ast

from bmm.checks.reader.attributes import ATTRIBUTES, NEVER, OF_TUPLES
from bmm.checks.reader.exports import EXPORTS, INSTEAD, ONLY_BASES, PACKAGES
from bmm.checks.reader.rules import (
    BUILTINS,
    DO_WITHOUT,
    FROM_OUTSIDE,
    METHODS,
    MODULE_NAMES,
    ONLY_CALLED,
    OTHER_BUILTINS,
    SETTABLE,
    SHOWN,
    Said,
    instead_of,
)  # fmt: skip
from bmm.checks.reader.scopes import Scopes, Site
from bmm.checks.reader.values import Values


class Names(ast.NodeVisitor):
    """Collects what is wrong with the names, imports and attributes of one module."""

    def __init__(self, scopes: Scopes, values: Values) -> None:
        self.said: list[Said] = []
        self._scopes, self._scope, self._values = scopes, scopes.module, values
        self._own = _defined(scopes)
        self._loads = False
        """Whether this runs when the code is loaded."""
        self._decorates = False

    def block(self, rule: str, node: ast.AST, message: str, fix: str) -> None:
        self.said.append(Said("block", f"code.{rule}", getattr(node, "lineno", 1), message, fix))

    def ask(self, rule: str, node: ast.AST, message: str, fix: str) -> None:
        self.said.append(Said("ask", f"code.{rule}", getattr(node, "lineno", 1), message, fix))

    def visit_Name(self, node: ast.Name) -> None:
        name = node.id
        if name.startswith("__") and not (name in MODULE_NAMES or (name == "__slots__" and self._scope.kind == "class")):
            self.block("name", node, f"`{name}` belongs to Python itself.", "Leave it out.")
        elif not isinstance(node.ctx, ast.Load):
            self._bound(name, node)
        elif (owner := self._scope.owner(name)) is None:
            if name in ONLY_CALLED:
                self.block("name", node, f"`{name}` can only be called, not passed on.", f"Call `{name}(…)` where it is needed.")
            elif name not in BUILTINS:
                self.block("name", node, f"`{name}` is not available to tools.", instead_of(name))
        elif name in owner.modules:
            self.block("module_value", node, f"The module `{name}` is used as a value.", f"Write `{name}.…` with the name that is needed.")
        elif (taken := owner.taken.get(name)) is not None:
            self._only_base(taken, node)

    def _bound(self, name: str, node: ast.AST) -> None:
        """A name gets a value. Where a built-in stands behind it, code could fall back to that one."""
        scope = self._scope.elsewhere.get(name, self._scope)
        is_field = scope.kind == "class" and name not in scope.read
        if scope.kind != "function" and not is_field and (name in ONLY_CALLED or name in OTHER_BUILTINS):
            self.block("name", node, f"`{name}` is a name of Python's own.", "Choose another name outside functions.")
        meanings = scope.imported.get(name, set())
        if len(meanings) > 1 or (meanings and any(site.kind != "import" for site in scope.bound[name])):
            self.block("rebound", node, f"`{name}` is imported and also something else.", "Choose two names.")

    def _only_base(self, export: tuple[str, str], node: ast.AST) -> None:
        if export[1] in ONLY_BASES.get(export[0], ()):
            self.block("class", node, f"`{export[1]}` is there to be inherited from.", f"Write `class Name({export[1]}):`.")

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            self._imported(each.name, node)
            self._bound(each.asname or each.name.split(".")[0], node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or not self._imported(module, node):
            if node.level:
                self.block("import", node, "A tool is one file; there is nothing beside it.", "Put the code into this file.")
            return
        for each in node.names:
            if each.name not in EXPORTS.get(module, ()):
                what = f"{module}.{each.name}"
                if what in EXPORTS:
                    # `from urllib import parse`: a module under another name.
                    name = each.asname or each.name
                    scope = self._scope.elsewhere.get(name, self._scope)
                    scope.taken.pop(name, None)
                    scope.modules[name] = what
                else:
                    self.block(
                        "import", node, f"`{what}` is not available to tools.", INSTEAD.get(what) or INSTEAD.get(module) or DO_WITHOUT
                    )
            self._bound(each.asname or each.name, node)

    def _imported(self, module: str, node: ast.AST) -> bool:
        if module in EXPORTS or module in PACKAGES:
            return True
        fix = INSTEAD.get(module) or INSTEAD.get(module.split(".")[0]) or DO_WITHOUT
        self.block("import", node, f"The module `{module}` is not available to tools.", f"{fix[0].upper()}{fix[1:]}.")
        return False

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._attribute(node, called=False)

    def _attribute(self, node: ast.Attribute, *, called: bool) -> None:
        if (module := self._module(node.value)) is not None:
            self._of_module(module, node)
            return
        attr = node.attr
        if isinstance(node.ctx, ast.Load) and attr == "__name__":
            inner = node.value.value if isinstance(node.value, ast.Attribute) and node.value.attr == "__class__" else node.value
            self.visit(inner)
            return
        if attr in FROM_OUTSIDE and not called:
            self.block(
                "indirect",
                node,
                f"`{attr}` is not called where it is named, so nobody can see what it reaches.",
                f"Write `await ctx.{SHOWN[attr]}` in place.",
            )
        elif attr in ("log", "progress", "elicit", "ask") and not called and not self._is_own(attr):
            self.block("indirect", node, f"`{attr}` is not called where it is named.", f"Write `ctx.{attr}(…)` in place.")
        elif attr == "format" and not called:
            self.block("format", node, "`format` is passed on as a value.", "Use an f-string.")
        elif isinstance(node.ctx, ast.Store):
            self._stored(attr, node)
        elif isinstance(node.ctx, ast.Del):
            self.block("attribute", node, "An attribute is deleted.", "Set it to None.")
        else:
            self._may_read(attr, node)
        self.visit(node.value)

    def _may_read(self, attr: str, node: ast.AST) -> None:
        if self._is_own(attr) or attr in OF_TUPLES or (attr in ATTRIBUTES and attr not in NEVER) or attr == "format":
            return
        if attr.startswith("__") and isinstance(node, ast.Attribute) and _is_super(node.value) and attr.strip("_") in METHODS:
            return
        self.block(
            "attribute",
            node,
            f"The attribute `{attr}` is not known here.",
            "Use what the documentation of tools lists, or what the code defines itself.",
        )

    def _is_own(self, attr: str) -> bool:
        return attr in self._own and attr not in NEVER and not attr.startswith("__")

    def _stored(self, attr: str, node: ast.Attribute) -> None:
        holder = node.value
        own = self._is_own(attr) and isinstance(holder, ast.Name) and self._is_own_object(holder.id)
        settable = attr in SETTABLE and self._export(holder) is None
        if not (own or settable) or attr in FROM_OUTSIDE:
            self.block("attribute", node, f"The attribute `{attr}` of something else is changed.", "Keep values in variables of your own.")

    def _is_own_object(self, name: str) -> bool:
        """Whether a name stands for an object of the code's own classes, as far as can be seen."""
        for site in self._scope.sites(name):
            match site:
                case Site("param", ast.FunctionDef() | ast.AsyncFunctionDef() as function):
                    first = [each.arg for each in (*function.args.posonlyargs, *function.args.args)][:1]
                    noted = next(
                        (each.annotation for each in ast.walk(function.args) if isinstance(each, ast.arg) and each.arg == name), None
                    )
                    if not ((function in self._scopes.methods and first == [name]) or self._is_own_type(noted)):
                        return False
                case Site("value", ast.Call(func=ast.Name(id=called))) if any(
                    each.kind in ("class", "def") for each in self._scope.sites(called)
                ):
                    pass
                case Site("value", ast.Call(func=ast.Attribute(value=ast.Name(id=holder)))) if any(
                    each.kind == "class" for each in self._scope.sites(holder)
                ):
                    pass
                case Site("item", ast.expr() as items) if not self._is_foreign(items):
                    pass
                case Site("more", added) if not isinstance(self._scopes.parents.get(added), ast.AugAssign):
                    # Something goes into what the object holds; it stays the same object.
                    pass
                case Site("class"):
                    pass
                case _:
                    return False
        return bool(self._scope.sites(name))

    def _is_own_type(self, annotation: ast.expr | None) -> bool:
        text = annotation.value if isinstance(annotation, ast.Constant) else annotation.id if isinstance(annotation, ast.Name) else None
        return isinstance(text, str) and any(site.kind == "class" for site in self._scopes.module.sites(text))

    def _is_foreign(self, node: ast.expr, depth: int = 0) -> bool:
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
                if self._scope.module(each.id) or self._scope.export(each.id) or self._is_ctx(each.id):
                    return True
                values = [site.node for site in self._scope.sites(each.id) if site.kind in ("value", "item", "more")]
                if depth < 3 and any(isinstance(value, ast.expr) and self._is_foreign(value, depth + 1) for value in values):
                    return True
            elif isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "type":
                return True
        return False

    def _is_ctx(self, name: str) -> bool:
        return name == "ctx" or any(
            site.kind == "param" and isinstance(site.node, ast.AsyncFunctionDef) and site.node.name == "run"
            for site in self._scope.sites(name)
        )

    def _module(self, node: ast.expr) -> str | None:
        """The module or package that an expression names."""
        if isinstance(node, ast.Name):
            return self._scope.module(node.id)
        if isinstance(node, ast.Attribute) and (outer := self._module(node.value)) is not None:
            inner = f"{outer}.{node.attr}"
            return inner if inner in EXPORTS or inner in PACKAGES else None
        return None

    def _of_module(self, module: str, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.block("attribute", node, f"`{module}.{node.attr}` is changed.", "Keep values in variables of your own.")
        elif self._module(node) is not None:
            self.block("module_value", node, f"The module `{module}.{node.attr}` is used as a value.", "Name what is needed of it.")
        elif node.attr not in EXPORTS.get(module, ()):
            if module in EXPORTS or module in PACKAGES:
                fix = "Use `await asyncio.sleep(…)`" if (module, node.attr) == ("time", "sleep") else DO_WITHOUT.capitalize()
                self.block("export", node, f"`{module}.{node.attr}` is not available to tools.", f"{fix}.")
        else:
            self._only_base((module, node.attr), node)

    def _export(self, node: ast.expr) -> tuple[str, str] | None:
        """Module and name that an expression stands for."""
        if isinstance(node, ast.Name):
            return self._scope.export(node.id)
        if isinstance(node, ast.Attribute) and (module := self._module(node.value)) is not None:
            return module, node.attr
        return None


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _defined(scopes: Scopes) -> set[str]:
    """The attributes that the code's own classes have: by their bodies, and by `self.name = …` in their methods."""
    found = {name for node, scope in scopes.of.items() if isinstance(node, ast.ClassDef) for name in (*scope.bound, *scope.fields)}
    for method in scopes.methods:
        first = next((each.arg for each in (*method.args.posonlyargs, *method.args.args)), None)
        for node in ast.walk(method):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == first
            ):
                found.add(node.attr)
    return found
