"""Every event that the code tells is known to the index of search: it touches something that can be
found, or it is said why it does not."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from services.search.feeding import IRRELEVANT, TOUCHES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("services", "jobs", "core", "resolvers", "execution", "subscriptions", "loaders")
MODULES = {
    path: ast.parse(path.read_text())
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
}
TYPE = re.compile(r"[A-Z][a-z]+([A-Z][a-z]+)*")


def constants():
    """Names of modules' constants that are text, wherever they are."""
    found = defaultdict(set)
    for tree in MODULES.values():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for target in node.targets:
                    if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                        found[target.id].add(node.value.value)
    return found


@cache
def calls():
    """Every call by the name that is called, with the function that it stands in."""
    found = defaultdict(list)
    for tree in MODULES.values():
        _collect(tree, None, found)
    return found


def _collect(node, inside, found):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            called = child.func
            name = getattr(called, "id", getattr(called, "attr", None))
            found[name].append((child, inside))
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        _collect(child, child if is_function else inside, found)


def argument(call, place, name):
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[place] if place is not None and place < len(call.args) else None


def values(expression, inside, known):
    """The texts that an expression may be: constants, either side of a choice, and for a parameter
    whatever its function is called with."""
    match expression:
        case ast.Constant(value=str(value)):
            return {value}
        case ast.IfExp(body=body, orelse=orelse):
            return values(body, inside, known) | values(orelse, inside, known)
        case ast.Name(id=name) if name in known:
            return set(known[name])
        case ast.Name(id=name) if inside is not None:
            names = [each.arg for each in (*inside.args.posonlyargs, *inside.args.args)]
            place = names.index(name) if name in names else None
            found = set()
            for call, outside in calls()[inside.name]:
                given = argument(call, place, name)
                if given is not None:
                    found |= values(given, outside, known)
            return found
    return set()


@cache
def told():
    """The types of all events, by the calls of NewEvent; every call must say some."""
    known = constants()
    found = set()
    for call, inside in calls()["NewEvent"]:
        types = values(argument(call, 1, "type"), inside, known)
        assert types, f"which events does line {call.lineno} tell? {ast.unparse(call)}"
        found |= types
    return found


def test_every_event_is_known_to_the_index():
    types = told()
    assert all(TYPE.fullmatch(type) for type in types)
    assert {"PostPublished", "BidPlaced", "ProfileUpdated", "OrderPlaced"} <= types
    unknown = types - TOUCHES.keys() - IRRELEVANT.keys()
    assert unknown == set(), "say in services/search/feeding.py what these touch"


def test_the_index_knows_no_event_that_nobody_tells():
    assert (TOUCHES.keys() | IRRELEVANT.keys()) - told() == set()
    assert TOUCHES.keys().isdisjoint(IRRELEVANT)
