"""The platform's parameters: root fields that read and set them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from loaders import users as user_loaders
from loaders.parameters import CHANGES_MAX, ParameterChangeRow
from resolvers import parameters as resolvers
from resolvers.parameters import ParameterRow
from schema.auctions.inputs import described
from schema.common import InvalidInput
from schema.fields import Context, argument, attribute, bounded, loaded, mutation, resolved
from schema.rows import shows
from schema.scalars import BigInt
from services.parameters import PARAMETERS

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.type(description="A change of a parameter. It stays told for good.")
@shows(ParameterChangeRow)
class ParameterChange:
    old_value: BigInt = attribute("What it was before.")
    new_value: BigInt = attribute("What it was from then on.")
    reason: str = attribute("Why, in the words of who changed it.")
    changed_at: datetime = attribute("When it was changed, by the server's clock.")
    actor: LazyUser = loaded(user_loaders.user_by_id, key="actor_id", description="Who changed it.")


@strawberry.type(
    description="A whole number that the platform works by. What has begun keeps the value that "
    "it began with."
)
@shows(ParameterRow)
class PlatformParameter:
    key: str = attribute("Its name: `fee_basis_points`.")
    meaning: str = attribute("What it stands for, and its unit.")
    value: BigInt = attribute("What it is now.")
    default: BigInt = attribute("What it is unless it was set.", name="defaultValue")
    minimum: BigInt = attribute("The least it may be.")
    maximum: BigInt = attribute("The most it may be.")
    changed_at: datetime | None = attribute("When it was last set; null if it never was.")

    @resolved("Its last changes, newest first.", list_size=bounded(CHANGES_MAX))
    async def changes(root: strawberry.Parent[Any], info: Context) -> list[ParameterChange]:
        return cast(list[ParameterChange], await resolvers.changes_of(info.context, root.key))


@strawberry.input(description="Another value for a parameter.")
class SetParameterInput:
    key: str = described("Which: a `key` of `parameters`.")
    value: BigInt = described("What it is to be, from its `minimum` to its `maximum`.")
    reason: str = described("Why, 1 to 500 characters; kept for good.")


@strawberry.type(description="It holds for all that begins from now on.")
class SetParameterSuccess:
    parameter: PlatformParameter = attribute("The parameter as it is now.")


SetParameterResult = Annotated[
    SetParameterSuccess | InvalidInput,
    strawberry.union("SetParameterResult", description="What became of a parameter's change."),
]


@strawberry.type
class ParameterQuery:
    @resolved(
        "All that the platform works by and that may be set.",
        scopes=["system:configure"],
        list_size=bounded(len(PARAMETERS)),
    )
    async def parameters(self, info: Context) -> list[PlatformParameter]:
        return cast(list[PlatformParameter], await resolvers.parameters(info.context))


@strawberry.type
class ParameterMutation:
    @mutation(
        "Give a parameter another value, for all that begins from now on.",
        scopes=["system:configure"],
    )
    async def set_parameter(
        self, info: Context, input: Annotated[SetParameterInput, argument("Which, what and why.")]
    ) -> SetParameterResult:
        changed = await resolvers.set_parameter(
            info.context, input.key, int(input.value), input.reason
        )
        return SetParameterSuccess(parameter=cast(PlatformParameter, changed))
