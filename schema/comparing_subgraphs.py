"""What changed in how subgraphs fit together: keys, who resolves them, who owns which field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema

from schema.comparing import Change, Severity
from schema.comparing_elements import Directives, directives_of

BREAKING, DANGEROUS, SAFE = Severity

Parts = Mapping[str, GraphQLSchema]
"""Subgraphs by name; the whole alone, named "", where nothing is known of them."""

_OVERRIDING = ("external", "requires", "provides", "override")
_ROOTS = ("Query", "Mutation", "Subscription")


@dataclass(frozen=True, slots=True)
class Held:
    """A field as one subgraph has it."""

    directives: Directives
    shareable: bool

    @property
    def owned(self) -> bool:
        """Whether the subgraph resolves it, and does not only name it."""
        return "external" not in self.directives


def subgraph_changes(before: Parts, after: Parts) -> list[Change]:
    """What gateways and other subgraphs notice. No client's operation tells whether it matters."""
    both = sorted(_entities(before).keys() | _entities(after).keys())
    found = [change for name in both for change in _key_changes(name, before, after)]
    if len(before) > 1 and len(after) > 1:
        keys = _key_fields(before) | _key_fields(after)
        old, new = _fields(before), _fields(after)
        for where in sorted((old.keys() & new.keys()) - keys):
            found += _field_changes(where, old[where], new[where])
    return found


def _key_changes(name: str, before: Parts, after: Parts) -> Iterator[Change]:
    former, present = _entities(before).get(name, {}), _entities(after).get(name, {})
    if not all(any(name in part.type_map for part in parts.values()) for parts in (before, after)):
        return  # that the type came or went is told
    if _resolved(former) and not _resolved(present):
        told = f"{name} is no entity any more: no subgraph resolves it by a key."
        yield Change(BREAKING, "ENTITY_REMOVED", name, told)
        return
    if _resolved(present) and not _resolved(former):
        yield Change(SAFE, "ENTITY_ADDED", name, f"{name} is an entity now.")
        return
    for part in sorted(former.keys() & after.keys()):
        had, has = former[part], present.get(part, {})
        place = f" in {part}" if part else ""
        for fields in sorted(had.keys() | has.keys()):
            key = f'@key(fields: "{fields}") of {name}{place}'
            if fields not in has:
                if _objects(after[part]).get(name) is not None:
                    yield Change(BREAKING, "KEY_REMOVED", name, f"{key} was removed.")
            elif fields not in had:
                yield Change(SAFE, "KEY_ADDED", name, f"{key} was added.")
            elif had[fields] and not has[fields]:
                told = f"{key} is not resolvable any more: nobody gets there through it."
                yield Change(BREAKING, "KEY_NOT_RESOLVABLE", name, told)
            elif has[fields] and not had[fields]:
                yield Change(SAFE, "KEY_RESOLVABLE", name, f"{key} is resolvable now.")


def _field_changes(where: str, old: dict[str, Held], new: dict[str, Held]) -> Iterator[Change]:
    had, has = ({part for part, held in each.items() if held.owned} for each in (old, new))
    if had != has:
        yield _owners(where, had, has, new)
    alone = len(has) < 2
    for part in sorted(old.keys() & new.keys()):
        former, present = old[part], new[part]
        if former.shareable and not present.shareable:
            told = f"{where} is not @shareable in {part} any more"
            others = "" if alone else f", and {_listed(has - {part})} has it as well"
            severity = SAFE if alone else BREAKING
            yield Change(severity, "SHAREABLE_REMOVED", where, f"{told}{others}.")
        elif present.shareable and not former.shareable:
            told = f"{where} is @shareable in {part} now."
            yield Change(SAFE, "SHAREABLE_ADDED", where, told)
        for name in _OVERRIDING:
            if former.directives.get(name) != present.directives.get(name):
                told = f"@{name} of {where} in {part} has changed: gateways plan anew."
                yield Change(DANGEROUS, "FEDERATION_CHANGED", where, told)


def _owners(where: str, had: set[str], has: set[str], new: dict[str, Held]) -> Change:
    came, went = has - had, had - has
    if came and not went:
        if all(new[part].shareable for part in has):
            told = f"{where} is resolved by {_listed(came)} as well."
            return Change(SAFE, "OWNER_ADDED", where, told)
        told = f"{where} is resolved by {_listed(has)}, and is not @shareable in each."
        return Change(BREAKING, "NOT_SHAREABLE", where, told)
    if went and not came:
        told = f"{where} is no longer resolved by {_listed(went)}, only by {_listed(has)}."
        return Change(DANGEROUS, "OWNER_REMOVED", where, told)
    told = f"{where} moved from {_listed(went)} to {_listed(came)}"
    overriding = {a.get("from") for p in came for a in new[p].directives.get("override", ())}
    if went <= overriding:
        return Change(SAFE, "OWNER_MOVED", where, f"{told}, by @override.")
    told += " without @override: roll both out before the gateway hears of it"
    return Change(DANGEROUS, "OWNER_MOVED", where, f"{told}.")


def _entities(parts: Parts) -> dict[str, dict[str, dict[str, bool]]]:
    """Each entity's keys by subgraph, and whether they are resolvable there."""
    found: dict[str, dict[str, dict[str, bool]]] = {}
    for part, schema in parts.items():
        for name, kind in schema.type_map.items():
            written = directives_of(kind.ast_node, *kind.extension_ast_nodes).get("key", ())
            keys = {_fields_of(a): a.get("resolvable", True) is not False for a in written}
            if keys:
                found.setdefault(name, {})[part] = keys
    return found


def _resolved(keys: Mapping[str, Mapping[str, bool]]) -> bool:
    return any(resolvable for each in keys.values() for resolvable in each.values())


def _fields_of(arguments: Mapping[str, Any]) -> str:
    return " ".join(str(arguments.get("fields", "")).split())


def _key_fields(parts: Parts) -> set[str]:
    """Fields of keys: every subgraph has them, and nobody owns them."""
    return {
        f"{name}.{field}"
        for name, by_part in _entities(parts).items()
        for keys in by_part.values()
        for fields in keys
        for field in fields.replace("{", " ").replace("}", " ").split()
    }


def _fields(parts: Parts) -> dict[str, dict[str, Held]]:
    found: dict[str, dict[str, Held]] = {}
    for part, schema in parts.items():
        for name, kind in _objects(schema).items():
            whole = "shareable" in directives_of(kind.ast_node, *kind.extension_ast_nodes)
            for key, made in kind.fields.items():
                if key.startswith("_") and name in _ROOTS:
                    continue
                directives = directives_of(made.ast_node)
                held = Held(directives, whole or "shareable" in directives)
                found.setdefault(f"{name}.{key}", {})[part] = held
    return found


def _objects(schema: GraphQLSchema) -> dict[str, GraphQLObjectType]:
    return {
        name: kind
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and not name.startswith("_")
    }


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))
