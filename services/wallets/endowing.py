"""Money for made worlds: seeds, replays and benches give people what they need, by the real ledger
and without telling anybody's topic. Nothing that serves requests calls this."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from core.database import Transaction
from services.wallets.book import enter_all
from services.wallets.ledger import open_book, write_book
from services.wallets.terms import Step, Transfer, platform, user_account

PEOPLE_AT_ONCE = 500


async def endow(
    tx: Transaction, user_ids: Iterable[UUID], *, asset: str, amount_minor: int
) -> None:
    """Give each of these people so much; two statements for each five hundred."""
    people = list(user_ids)
    for i in range(0, len(people), PEOPLE_AT_ONCE):
        some = people[i : i + PEOPLE_AT_ONCE]
        await take_quietly(tx, [gift(person, asset, amount_minor) for person in some])


def gift(person: UUID, asset: str, amount_minor: int) -> Transfer:
    """A deposit from outside, or, of the platform's own token, a minting."""
    own = asset == "SPARK"
    return Transfer(
        debit=platform("ISSUANCE" if own else "EXTERNAL", asset),
        credit=user_account(person, asset),
        amount_minor=amount_minor,
        code="MINT" if own else "DEPOSIT",
    )


async def take_quietly(tx: Transaction, steps: Sequence[Step]) -> None:
    """Take all steps, or raise what refuses the first; holds must be made by these very steps."""
    transfers = [step for step in steps if isinstance(step, Transfer)]
    book = await open_book(tx, [ref for t in transfers for ref in (t.debit, t.credit)])
    enter_all(book, steps)
    await write_book(tx, book, tell=False)
