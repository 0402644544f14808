"""Typed decorators for fields: description, authorisation, cost and loader in one declaration.

What is declared here is what the SDL shows, what guards enforce and what an executor plans by;
Strawberry's own decorators are not used for fields elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, TypeVar

import strawberry
from strawberry.federation import field as federation_field
from strawberry.federation.schema_directives import (
    Authenticated,
    Cost,
    ListSize,
    RequiresScopes,
    Tag,
)
from strawberry.types import Info
from strawberry.types.unset import UNSET

from execution.caching import CacheControl
from execution.guards import guards_of
from execution.rates import RateGuard, RateLimit
from execution.weights import SIZED_BY
from loaders.base import Loader, ManyBy, PageBy, depends_on_viewer
from resolvers.context import OperationContext
from schema.scalars import Cursor

T = TypeVar("T")
Resolver = TypeVar("Resolver", bound=Callable[..., Any])
Context = Info[OperationContext, None]

QUERY_COST = 1
MUTATION_COST = 10
PAGE_ARGUMENTS = ["first", "last"]


@dataclass(frozen=True, slots=True)
class Keyed:
    """How a field follows a key: the metadata that `loaded` and `connected` leave on the field.
    `asked(context, arguments)` gives what makes the loader's key of a row's."""

    loader: Loader
    key: str
    viewer: bool
    asked: Callable[[OperationContext, Mapping[str, Any]], Callable[[Any], Any]]

    async def answer(
        self,
        context: OperationContext,
        rows: Sequence[Any],
        arguments: Mapping[str, Any],
        type_name: str | None = None,
    ) -> list[Any]:
        """The field's value for each row of a level, to be shown as that type, an exception in
        place of one that failed. Each key is asked for once. Raises where the arguments are wrong.
        """
        keys, found = await self.by_key(context, rows, arguments, type_name)
        return list(map(found.get, keys))

    async def by_key(
        self,
        context: OperationContext,
        rows: Sequence[Any],
        arguments: Mapping[str, Any],
        type_name: str | None = None,
    ) -> tuple[list[Any], dict[Any, Any]]:
        """As `answer`, told apart: the rows' keys, and the value for each that is among them."""
        keys, found, asked = self._keys(rows)
        make = self.asked(context, arguments)
        wanted = asked if make is _itself else list(map(make, asked))
        answers = await context.loaders.show_all(self.loader, wanted, type_name)
        found.update(zip(asked, answers, strict=True))
        return keys, found

    def at_once(
        self, context: OperationContext, rows: Sequence[Any], type_name: str | None = None
    ) -> tuple[list[Any], dict[Any, Any]] | None:
        """As `by_key` of a field without arguments, where nothing must be read; else None."""
        known = context.loaders.known
        if known(self.loader, (), type_name) is None:
            return None  # of no key at all: theirs need not be looked at
        keys, found, asked = self._keys(rows)
        answers = known(self.loader, asked, type_name)
        if answers is None:
            return None
        found.update(zip(asked, answers, strict=True))
        return keys, found

    def _keys(self, rows: Sequence[Any]) -> tuple[list[Any], dict[Any, Any], list[Any]]:
        """The rows' keys; a place for the answer of each; those that are to be asked for."""
        keys = list(map(attrgetter(self.key), rows))
        found = dict.fromkeys(keys)
        asked = [key for key in found if key is not None] if None in found else list(found)
        return keys, found, asked


def _itself(value: Any) -> Any:
    return value


def argument(description: str, **options: Any) -> Any:
    """An argument's description, for `Annotated[T, argument("…")]`."""
    return strawberry.argument(description=description, **options)


def attribute(description: str, *, name: str | None = None, **options: Any) -> Any:
    """A field read from the row as it is, at no cost. `name` if GraphQL's is another."""
    options.setdefault("cost", 0)
    directives, extensions, metadata = _declared(**options)
    return federation_field(
        name=name,
        description=description,
        directives=directives,
        extensions=extensions,
        metadata=metadata,
        deprecation_reason=options.get("deprecated"),
    )


def resolved(
    description: str, *, name: str | None = None, **options: Any
) -> Callable[[Resolver], Any]:
    """A field with a resolver. Options: `authenticated`, `scopes`, `cost`, `list_size`, `viewer`,
    `tags`, `deprecated`, `cache` (seconds that answers may be kept, or a `CacheControl`),
    `sized_by` (the argument that is a list as long as the field's), `rate_limit` (not of fields
    that follow keys). Cost is 1 unless said otherwise."""
    options.setdefault("cost", QUERY_COST)
    return _decorator(description, name, options)


def mutation(description: str, **options: Any) -> Callable[[Resolver], Any]:
    """A root mutation: cost 10 unless said otherwise."""
    options.setdefault("cost", MUTATION_COST)
    return _decorator(description, None, options)


def subscription(description: str, **options: Any) -> Callable[[Resolver], Any]:
    """A root subscription: an async generator; its guard runs once, when it starts."""
    options.setdefault("cost", QUERY_COST)
    return _decorator(description, None, options, is_subscription=True)


def loaded(
    loader: Loader, *, key: str, description: str, viewer: bool = False, **options: Any
) -> Any:
    """A field that follows `key` of its row through a loader. A key of None gives null.

    `viewer=True` where the answer depends on who asks. Under graphql-core it is one DataLoader
    call; nothing is awaited here, so no task is spent.
    """
    options.setdefault("cost", QUERY_COST)

    def resolve(root: Any, info: Info) -> Any:
        value = getattr(root, key)
        return None if value is None else info.context.loaders.ask(loader, value)

    keyed = Keyed(loader, key, viewer, lambda context, arguments: _itself)
    return _made(resolve, description, options | {"keyed": keyed})


def loaded_first(
    loader: ManyBy, *, key: str, description: str, default: int, **options: Any
) -> Any:
    """The first rows of a key, `first` of them (at most the loader's limit), as a plain list."""
    options.setdefault("cost", QUERY_COST)
    options["list_size"] = ListSize(
        assumed_size=loader.limit,
        slicing_arguments=["first"],
        sized_fields=UNSET,
        require_one_slicing_argument=False,
    )

    def resolve(root: Any, info: Info, first: int = default) -> Any:
        limit = info.context.checked_first(first, maximum=loader.limit)
        return info.context.loaders.ask(loader, (getattr(root, key), limit))

    # Set here and not written above: as text it could not name this function's `loader`.
    said = argument(f"How many, from 0 to {loader.limit}.")
    resolve.__annotations__["first"] = Annotated[int, said]

    def asked(context: OperationContext, arguments: Mapping[str, Any]) -> Callable[[Any], Any]:
        limit = context.checked_first(arguments["first"], maximum=loader.limit)
        return lambda value: (value, limit)

    return _made(resolve, description, options | {"keyed": Keyed(loader, key, False, asked)})


def connected(
    loader: PageBy, *, key: str, description: str, viewer: bool = False, **options: Any
) -> Any:
    """A Relay connection of each row's children, one statement for all rows of a level."""
    options.setdefault("cost", QUERY_COST)
    options["list_size"] = page_size()

    def resolve(
        root: Any,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Any:
        request = info.context.page_request(loader.order, first, after, last, before)
        return info.context.loaders.ask(loader, (getattr(root, key), request))

    def asked(context: OperationContext, arguments: Mapping[str, Any]) -> Callable[[Any], Any]:
        page = (arguments.get(name) for name in ("first", "after", "last", "before"))
        request = context.page_request(loader.order, *page)
        return lambda value: (value, request)

    return _made(resolve, description, options | {"keyed": Keyed(loader, key, viewer, asked)})


First = Annotated[int | None, argument("How many from the start of the list; 20 if none is given.")]
After = Annotated[Cursor | None, argument("Only what comes after this cursor.")]
Last = Annotated[int | None, argument("How many from the end of the list, instead of `first`.")]
Before = Annotated[Cursor | None, argument("Only what comes before this cursor.")]


def page_size() -> ListSize:
    """How long a connection gets: by `first` or `last`, else the default page."""
    return ListSize(
        assumed_size=20,
        slicing_arguments=PAGE_ARGUMENTS,
        sized_fields=["edges", "nodes"],
        require_one_slicing_argument=False,
    )


def bounded(size: int, *, by: str | None = None) -> ListSize:
    """A plain list that nature or a rule keeps at `size` or fewer; `by` is the argument that says
    how many are asked for."""
    return ListSize(
        assumed_size=size,
        slicing_arguments=UNSET if by is None else [by],
        sized_fields=UNSET,
        require_one_slicing_argument=False,
    )


def _decorator(
    description: str, name: str | None, options: dict[str, Any], *, is_subscription: bool = False
) -> Callable[[Resolver], Any]:
    def decorate(resolver: Resolver) -> Any:
        return _made(resolver, description, options, name=name, is_subscription=is_subscription)

    return decorate


def _made(
    resolver: Callable[..., Any],
    description: str,
    options: dict[str, Any],
    *,
    name: str | None = None,
    is_subscription: bool = False,
) -> Any:
    directives, extensions, metadata = _declared(**options)
    return federation_field(
        resolver=resolver,
        name=name,
        description=description,
        directives=directives,
        extensions=extensions,
        metadata=metadata,
        is_subscription=is_subscription,
        deprecation_reason=options.get("deprecated"),
    )


def _declared(
    *,
    authenticated: bool = False,
    scopes: Sequence[str] = (),
    cost: int | None = None,
    list_size: ListSize | None = None,
    tags: Sequence[str] = (),
    viewer: bool = False,
    keyed: Keyed | None = None,
    deprecated: str | None = None,
    sized_by: str | None = None,
    cache: int | CacheControl | None = None,
    rate_limit: RateLimit | None = None,
) -> tuple[list[object], list[Any], dict[str, Any]]:
    """Directives, the guards that enforce them, and the metadata an executor reads."""
    directives: list[object] = [Tag(name=tag) for tag in tags]
    if scopes:
        directives += [Authenticated(), RequiresScopes(scopes=[list(scopes)])]
    elif authenticated:
        directives.append(Authenticated())
    if cost is not None:
        directives.append(Cost(weight=cost))
    if list_size is not None:
        directives.append(list_size)
    if cache is not None:
        directives.append(CacheControl(max_age=cache) if isinstance(cache, int) else cache)
    guards = guards_of(directives)
    if rate_limit is not None:
        directives.append(rate_limit)
        # Strawberry asks the last first: who may not have the field takes no turn.
        guards.insert(0, RateGuard(rate_limit))
    by_key = keyed is not None and (keyed.viewer or depends_on_viewer(keyed.loader))
    metadata = {"viewer": viewer or by_key, "keyed": keyed, SIZED_BY: sized_by}
    return directives, guards, metadata
