"""Whether errors say what the schema has that is like what was asked for: who may not look at the
schema is not told it word by word."""

from __future__ import annotations

from typing import Any

from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext


class ReticentExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's, which suggests nothing where `reticent`."""

    reticent = False

    @classmethod
    def build(cls, *args: Any, **options: Any) -> Any:
        """As graphql-core's."""
        return super().build(*args, **(options | {"hide_suggestions": cls.reticent}))


def core_executor(*, reticent: bool) -> type[ReticentExecutor]:
    """graphql-core's executor for one schema."""
    return type("SchemaCoreExecutor", (ReticentExecutor,), {"reticent": reticent})
