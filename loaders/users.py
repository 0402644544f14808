"""Batched reads of users. No e-mail address and no password hash is in a row that others see."""

from __future__ import annotations

from loaders.base import one_by
from loaders.rows import row_of
from models.users import UserAccount


class UserRow(row_of(UserAccount, "usr", without=("password_hash",))):  # type: ignore[misc]
    """An account; `email` is shown by rule, never as it is."""

    __slots__ = ()


# A reference that must exist (a seller, a bidder) is found whoever asks: what a viewer may not
# see of that user is decided field by field. Finding someone by id is another loader's business.
user_by_id = one_by("user_by_id", UserRow, UserAccount.id)
