"""Which routes of the API the commands call, read from their source.

What a command sends depends on what it is answered, so no run shows all of it. Here
paths are followed from where they are written to where they are sent, through names,
f-strings, helpers and their arguments. What is not known until it runs is ``*``.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

UNKNOWN = "*"
METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
LISTS = frozenset(
    {"every_page", "first_of", "whole_list"}
)  # of answers.py: GET, page after page
# Any call, by whoever names it; and a play that shows no command.
LEFT_OUT = frozenset({"raw.py", "answers.py", "demo"})
DEEPEST = 12


@dataclass
class Source:
    """The functions and constants of the commands."""

    functions: dict[str, list[ast.FunctionDef]] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    words: dict[str, set[str]] = field(default_factory=dict)  # of each enumeration
    calls: list[tuple[ast.FunctionDef, ast.Call]] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path) -> "Source":
        found = cls()
        for path in sorted(directory.glob("*.py")):
            if path.name not in LEFT_OUT:
                found._take(ast.parse(path.read_text()))
        return found

    def _take(self, module: ast.Module) -> None:
        for node in module.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.constants[name] = value
                case ast.ClassDef(name=name, body=body):
                    self.words[name] = {
                        one.value.value
                        for one in body
                        if isinstance(one, ast.Assign)
                        and isinstance(one.value, ast.Constant)
                        and isinstance(one.value.value, str)
                    }
        for inner in ast.walk(module):  # of classes, too
            if isinstance(inner, ast.FunctionDef):
                self.functions.setdefault(inner.name, []).append(inner)
                for call in ast.walk(inner):
                    if isinstance(call, ast.Call):
                        self.calls.append((inner, call))

    def routes(self) -> set[tuple[str, str]]:
        """Method and path of all calls, paths without their queries."""
        found = set()
        for function, call in self.calls:
            for method, path in self._sent(function, call):
                for text in self.values(path, function):
                    found.add((method, text.partition("?")[0].strip("/")))
        return found

    def _sent(
        self, function: ast.FunctionDef, call: ast.Call
    ) -> Iterator[tuple[str, ast.expr]]:
        match call:
            case ast.Call(func=ast.Attribute(attr="json" | "request"), args=args):
                if len(args) >= 2:
                    for method in self.values(args[0], function) & METHODS:
                        yield method, args[1]
            case ast.Call(func=ast.Name(id=name), args=[_, path, *_]) if name in LISTS:
                yield "GET", path
            case ast.Call(func=ast.Attribute(attr="follow"), args=[path, *_]):
                yield "GET", path
            case ast.Call(func=ast.Attribute(attr="lines"), args=[path, _, _]):
                yield "POST", path

    def values(
        self, node: ast.expr, function: ast.FunctionDef, depth: int = 0
    ) -> set[str]:
        """What an expression may be, as far as the source tells."""
        if depth > DEEPEST:
            return {UNKNOWN}
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=parts):
                pieces = [self.values(one, function, depth + 1) for one in parts]
                return {"".join(one) for one in product(*pieces)}
            case ast.FormattedValue(value=inner):
                return self.values(inner, function, depth + 1)
            case ast.IfExp(body=one, orelse=other):
                both = (self.values(each, function, depth + 1) for each in (one, other))
                return set().union(*both)
            case _:
                return self._looked_up(node, function, depth)

    def _looked_up(
        self, node: ast.expr, function: ast.FunctionDef, depth: int
    ) -> set[str]:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="value"):
                return self._words_of(name, function)
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                return self._returned(name, depth)
            case ast.Name(id=name):
                return self._named(name, function, depth)
        return {UNKNOWN}

    def _returned(self, name: str, depth: int) -> set[str]:
        found: set[str] = set()
        for function in self.functions[name]:
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    found |= self.values(node.value, function, depth + 1)
        return found or {UNKNOWN}

    def _named(self, name: str, function: ast.FunctionDef, depth: int) -> set[str]:
        given = [one for node in ast.walk(function) for one in _assigned(node, name)]
        if given:
            found = (self.values(one, function, depth + 1) for one in given)
            return set().union(*found)
        arguments = [one.arg for one in function.args.args]
        if name in arguments:
            return self._passed(function, arguments.index(name), name, depth)
        if name in self.constants:
            return self.values(self.constants[name], function, depth + 1)
        return {UNKNOWN}

    def _passed(
        self, function: ast.FunctionDef, index: int, name: str, depth: int
    ) -> set[str]:
        """What callers give for an argument; a command's own come from people."""
        found: set[str] = set()
        for caller, call in self.calls:
            if isinstance(call.func, ast.Name) and call.func.id == function.name:
                given = {one.arg: one.value for one in call.keywords}
                if index < len(call.args):
                    given[name] = call.args[index]
                if name in given:
                    found |= self.values(given[name], caller, depth + 1)
        return found or {UNKNOWN}

    def _words_of(self, name: str, function: ast.FunctionDef) -> set[str]:
        """Every value of the enumeration that an argument is of."""
        for one in function.args.args:
            kind = one.annotation
            while one.arg == name and kind is not None:
                match kind:
                    case ast.Name(id=named) if named in self.words:
                        return self.words[named] or {UNKNOWN}
                    case ast.Name(id=named) if named in self.constants:
                        kind = self.constants[named]
                    case ast.Subscript(slice=ast.Tuple(elts=[first, *_])):
                        kind = first
                    case ast.BinOp(left=left):
                        kind = left
                    case _:
                        kind = None
        return {UNKNOWN}


def _assigned(node: ast.AST, name: str) -> Iterator[ast.expr]:
    """What a statement gives to a name, alone or side by side with others."""
    match node:
        case ast.Assign(targets=[ast.Name(id=given)], value=value) if given == name:
            yield value
        case ast.Assign(
            targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)
        ) if len(names) == len(values):
            for one, value in zip(names, values, strict=True):
                if isinstance(one, ast.Name) and one.id == name:
                    yield value


def fits(path: str, route: str) -> bool:
    """Whether a path that is sent is of a route: only its parameters may be unknown."""
    sent, parts = path.split("/"), route.split("/")
    return len(sent) == len(parts) and all(
        part.startswith("{") or one == part
        for one, part in zip(sent, parts, strict=True)
    )
