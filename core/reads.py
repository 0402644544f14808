"""Which attributes of an argument a function reads, by its source. What is not plain there is not
known: a guess would leave out what is read after all."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, TypeVar

Reads = frozenset[str] | None
"""Names of attributes; None where nobody knows which."""


class Lead(NamedTuple):
    """A row's attribute `key` leads through `loader` to a row that is shown as the type."""

    key: str
    loader: Any
    shown_as: str | None


AS_TEXT = "::text"
"""Behind the name of an attribute of which nothing but its text is wanted: its loader may let the
database write it."""

Whole = Callable[[Sequence[Any]], list[Any]]
"""What a function of one row gives, for a column of rows."""

_WHOLE: dict[Any, Whole] = {}

_OPAQUE = {"eval", "exec", "globals", "locals", "vars"}
_LOOKS_AT_TYPE = (isinstance, type)


Function = TypeVar("Function", bound=Callable[..., Any])


def by_rows(whole: Whole) -> Callable[[Function], Function]:
    """A decorator of a function of one row alone: `whole` gives the same for many, sooner. It reads
    no other attributes, and raises where it would rather that they are asked one by one."""

    def declare(function: Function) -> Function:
        _WHOLE[function] = whole
        return function

    return declare


def whole_of(function: Any) -> Whole | None:
    """What gives for many rows what the function gives for one, where somebody said so."""
    return _WHOLE.get(function)


@cache
def reads_of(function: Any, parameter: str) -> Reads:
    """The attributes that a function and those it hands the argument to may read of it.

    None unless each use is `argument.name`, or hands it whole to a function of a module that is
    known now, and of which the same is true.
    """
    return _reads(function, parameter, set())


def _reads(function: Any, parameter: str, seen: set[tuple[Any, str]]) -> Reads:
    if (function, parameter) in seen:
        return frozenset()
    seen.add((function, parameter))
    definition = _definition(function)
    if definition is None:
        return None
    found: set[str] = set()
    for node, parents in _walk(definition, ()):
        if isinstance(node, ast.Name) and node.id in _OPAQUE:
            return None
        if not (isinstance(node, ast.Name) and node.id == parameter):
            continue
        reads = _use(function, node, parents, seen)
        if reads is None:
            return None
        found |= reads
    return frozenset(found)


def _use(
    function: Any, node: ast.Name, parents: tuple[ast.AST, ...], seen: set[tuple[Any, str]]
) -> Reads:
    """What this one use of the argument reads."""
    above = parents[-1]
    if not isinstance(node.ctx, ast.Load):
        return None
    if isinstance(above, ast.Attribute) and isinstance(above.ctx, ast.Load):
        return frozenset({above.attr})
    if isinstance(above, ast.Call) and node in above.args:
        called = _called(function, above.func)
        if called in _LOOKS_AT_TYPE:
            return frozenset()
        parameter = _positional(called, above, above.args.index(node))
        return None if parameter is None else _reads(called, parameter, seen)
    return None


def _positional(called: Any, call: ast.Call, place: int) -> str | None:
    """The name that an argument at this place has in the function that is called."""
    if not isinstance(called, FunctionType) or place >= called.__code__.co_argcount:
        return None
    if any(isinstance(each, ast.Starred) for each in call.args[:place]):
        return None
    return called.__code__.co_varnames[place]


def _called(function: FunctionType, name: ast.expr) -> Any:
    """The function of that name in the caller's module, or in a module it imported; else None."""
    if isinstance(name, ast.Attribute):
        module = _called(function, name.value)
        return getattr(module, name.attr, None) if isinstance(module, ModuleType) else None
    code = function.__code__
    if not isinstance(name, ast.Name) or name.id in (*code.co_varnames, *code.co_cellvars):
        return None
    if name.id in code.co_freevars:
        return None
    builtin = function.__builtins__.get(name.id) if hasattr(function, "__builtins__") else None
    return function.__globals__.get(name.id, builtin)


def _definition(function: Any) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return None
    [*found] = tree.body
    if len(found) != 1 or not isinstance(found[0], ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    return found[0]


def _walk(
    node: ast.AST, parents: tuple[ast.AST, ...]
) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    yield node, parents
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, (*parents, node))
