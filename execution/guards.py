"""Authorisation from a field's declaration: the same directives that the SDL shows decide here,
for queries, mutations and the start of subscriptions alike, over every transport."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from strawberry.extensions.field_extension import FieldExtension
from strawberry.federation.schema_directives import Authenticated, RequiresScopes
from strawberry.types import Info

from core.errors import AccessDenied, Unauthenticated


class Guard(FieldExtension):
    """Refuses a field to who may not have it, before its resolver runs.

    `scopes` is a list of alternatives, each a list of scopes that are all needed; an empty list
    asks for a viewer alone. Raises `Unauthenticated` or `AccessDenied`.
    """

    def __init__(self, scopes: list[list[str]]) -> None:
        self.alternatives = [frozenset(all_of) for all_of in scopes]

    def check(self, info: Info[Any, Any]) -> None:
        viewer = info.context.viewer
        if viewer is None:
            raise Unauthenticated("TOKEN_MISSING")
        if self.alternatives and not any(need <= viewer.scopes for need in self.alternatives):
            wanted = " or ".join(" ".join(sorted(need)) for need in self.alternatives)
            raise AccessDenied(f"this needs the scope {wanted}")

    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        self.check(info)
        return next_(source, info, **kwargs)

    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any
    ) -> Any:
        self.check(info)
        found = next_(source, info, **kwargs)
        # A subscription's resolver gives its stream at once, and there is nothing to await.
        return await found if isawaitable(found) else found


def guards_of(directives: list[object]) -> list[FieldExtension]:
    """The guard that enforces these directives, if any of them asks for one."""
    scopes = [d.scopes for d in directives if isinstance(d, RequiresScopes)]
    if scopes:
        return [Guard([[str(scope) for scope in all_of] for all_of in scopes[0]])]
    if any(isinstance(d, Authenticated) for d in directives):
        return [Guard([])]
    return []
