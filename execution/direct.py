"""Resolvers called directly: what Strawberry does between graphql-core and a resolver, decided once
for a field. Only for fields of which it is known that nothing else would happen to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from inspect import Parameter, iscoroutinefunction
from types import FunctionType
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLField,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
)
from strawberry.relay.types import GlobalID
from strawberry.types.arguments import _is_leaf_type, convert_argument
from strawberry.types.base import StrawberryMaybe, StrawberryOptional
from strawberry.types.enum import has_enum_definition
from strawberry.types.unset import UnsetType

from execution.guards import Guard
from execution.rates import RateGuard

KEPT = "mela-direct"
"""Where a field of graphql-core keeps what was decided of it."""

NAMES_IN_STRAWBERRY = frozenset({"_source", "info"})
NAMES_IN_EXTENSIONS = frozenset({"self", "next_", "source"})
"""Of parameters on the way to a resolver: an argument of the same name fails there."""

_MADE_IN = "GraphQLCoreConverter.from_resolver.<locals>."
_CALLS = {f"{_MADE_IN}{name}" for name in ("_resolver", "_async_resolver")}
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_NEVER_CHANGE = {
    *(int, str, bool, float, type(None), UnsetType),
    *(Decimal, datetime, date, time, timedelta, UUID),
}

Convert = Callable[[Any, Any], Any]
"""An argument's value as its resolver gets it, of graphql-core's value and the info."""


@dataclass(frozen=True, slots=True)
class Argument:
    """`convert` is None where a value is handed on as it is."""

    name: str
    python_name: str
    convert: Convert | None


@dataclass(frozen=True, slots=True)
class Direct:
    """A field's resolver and what Strawberry would call it with. `guards` in the order that they
    are asked."""

    field: Any
    function: Callable[..., Any]
    info_class: Any
    arguments: tuple[Argument, ...]
    of_row: tuple[str, ...]
    takes_self: bool
    info_name: str | None
    guards: tuple[Guard | RateGuard, ...]
    is_rated: bool
    needs_info: bool

    def given(self, values: Mapping[str, Any], info: Any) -> dict[str, Any]:
        """The resolver's arguments of graphql-core's, made anew each time. Raises as Strawberry
        does."""
        made = {}
        for each in self.arguments:
            if each.name in values:
                value, convert = values[each.name], each.convert
                made[each.python_name] = value if convert is None else convert(value, info)
        return made

    def call(self, source: Any, info: Any, given: dict[str, Any]) -> Any:
        """What the resolver answers, or something to wait for. Raises what it or a guard raises.
        `given` becomes the call's own."""
        for name in self.of_row:
            given[name] = source
        if self.info_name is not None:
            given[self.info_name] = info
        if self.is_rated:
            return self._in_turn(source, info, given)
        for guard in self.guards:
            guard.check(info)  # type: ignore[union-attr]  # where none is rated
        return self.function(source, **given) if self.takes_self else self.function(**given)

    async def _in_turn(self, source: Any, info: Any, given: dict[str, Any]) -> Any:
        for guard in self.guards:
            if isinstance(guard, RateGuard):
                await guard.take_turn(info)
            else:
                guard.check(info)
        found = self.function(source, **given) if self.takes_self else self.function(**given)
        return await found


def direct_of(schema: GraphQLSchema, definition: GraphQLField, found: Any) -> Direct | None:
    """How to call the resolver of Strawberry's field `found` as Strawberry would; None where more
    than that may happen to a call."""
    kept = definition.extensions
    if KEPT not in kept:
        kept[KEPT] = _decided(schema, definition, found)
    direct: Direct | None = kept[KEPT]
    return direct


def never_change(values: Mapping[str, Any]) -> bool:
    """Whether nobody who gets these values can change them for the next who does."""
    return all(type(each) in _NEVER_CHANGE or isinstance(each, Enum) for each in values.values())


def has_variables(value: ValueNode) -> bool:
    """Whether an argument in a document is, or holds, a variable."""
    if isinstance(value, ListValueNode):
        return any(map(has_variables, value.values))
    if isinstance(value, ObjectValueNode):
        return any(has_variables(field.value) for field in value.fields)
    return isinstance(value, VariableNode)


def _decided(schema: GraphQLSchema, definition: GraphQLField, found: Any) -> Direct | None:
    own, resolver = getattr(schema, "_strawberry_schema", None), found.base_resolver
    if own is None or resolver is None or found.is_subscription:
        return None
    function, extensions = resolver.wrapped_func, tuple(found.extensions)
    if not _is_bare(definition.resolve) or not _may_be_called(resolver, function):
        return None
    if found.is_async is not iscoroutinefunction(function):
        return None
    is_rated = any(type(each) is RateGuard for each in extensions)
    if (is_rated and not found.is_async) or not {Guard, RateGuard} >= set(map(type, extensions)):
        return None
    info = resolver.info_parameter
    arguments = tuple(_argument(own, each) for each in found.arguments)
    if _names_clash(resolver, arguments, guarded=bool(extensions)):
        return None
    rows = (resolver.parent_parameter, resolver.root_parameter)
    return Direct(
        field=found,
        function=function,
        info_class=own.config.info_class,
        arguments=arguments,
        of_row=tuple(each.name for each in rows if each is not None),
        takes_self=resolver.self_parameter is not None,
        info_name=None if info is None else info.name,
        # Strawberry puts each extension around the ones before it.
        guards=extensions[::-1],
        is_rated=is_rated,
        needs_info=bool(info or extensions or any(each.convert for each in arguments)),
    )


def _is_bare(resolve: Any) -> bool:
    """Whether a resolver of graphql-core's is the one that Strawberry makes of a field, and turns
    no exceptions into values."""
    if not isinstance(resolve, FunctionType) or resolve.__qualname__ not in _CALLS:
        return False
    bound = dict(zip(resolve.__code__.co_freevars, resolve.__closure__ or (), strict=True))
    handlers = bound.get("field_exception_handlers")
    return handlers is not None and handlers.cell_contents == ()


def _may_be_called(resolver: Any, function: Any) -> bool:
    parameters = resolver.signature.parameters.values()
    return callable(function) and all(each.kind in _BY_NAME for each in parameters)


def _names_clash(resolver: Any, arguments: tuple[Argument, ...], *, guarded: bool) -> bool:
    """Whether Strawberry would fail to hand on an argument for its name."""
    taken = NAMES_IN_STRAWBERRY | (NAMES_IN_EXTENSIONS if guarded else frozenset())
    names = {name for each in arguments for name in (each.name, each.python_name)}
    reserved = resolver.parent_parameter, resolver.root_parameter, resolver.info_parameter
    names |= {each.name for each in reserved if each is not None}
    if resolver.info_parameter is not None and resolver.info_parameter.name == "info":
        names -= {"info"}
        names |= {"info" for each in arguments if "info" in (each.name, each.python_name)}
    return not taken.isdisjoint(names)


def _argument(own: Any, argument: Any) -> Argument:
    name = own.config.name_converter.from_argument(argument)
    return Argument(name, argument.python_name, _convert(own, argument.type, name))


def _convert(own: Any, type_: Any, name: str) -> Convert | None:
    config, registry = own.config, own.schema_converter.scalar_registry
    plain = type_
    while isinstance(plain, StrawberryOptional) and not isinstance(plain, StrawberryMaybe):
        plain = plain.of_type
    if plain is not GlobalID and (_is_leaf_type(plain, registry) or has_enum_definition(plain)):
        return None
    may_be_null = not isinstance(plain, StrawberryMaybe)

    def convert(value: Any, info: Any) -> Any:
        if value is None and may_be_null:
            return None
        return convert_argument(value, type_, registry, config, info, path=(name,))

    return convert
