"""The rules of the ledger, pure: accounts that the caller has locked, and what a step does to them.

No SQL here; `ledger.py` opens a book from locked rows and writes what was entered in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from core.errors import DomainError, InvalidInput, NotFound
from core.money import INT64_MAX, to_decimal
from models.wallets import Code, TransferKind
from services.wallets.errors import (
    AccountClosed,
    AccountFrozen,
    AssetMismatch,
    HoldAlreadyResolved,
    InsufficientFunds,
    Resolution,
    SupplyCapExceeded,
)
from services.wallets.terms import (
    UNLIMITED,
    Account,
    AccountRef,
    Entry,
    Hold,
    Outcome,
    Post,
    Step,
    Transfer,
    Void,
)


@dataclass(slots=True)
class Book:
    """Locked accounts and holds, and the entries made so far. Nothing is written by it."""

    accounts: dict[AccountRef, Account]
    holds: dict[UUID, Hold]
    entries: list[Entry] = field(default_factory=list)
    by_id: dict[UUID, Account] = field(init=False)
    opening: dict[UUID, tuple[int, int, int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_id = {account.id: account for account in self.accounts.values()}
        self.opening = {account.id: account.counters for account in self.by_id.values()}


def account_of(book: Book, ref: AccountRef) -> Account:
    """The account of a reference. Raises `NotFound` where its user does not exist."""
    account = book.accounts.get(ref)
    if account is None:
        raise NotFound("user" if ref.kind == "USER" else "account")
    return account


def available(book: Book, ref: AccountRef, *, freeing: Iterable[Hold] = ()) -> int:
    """What `ref` could spend if those of the holds `freeing` that are its own were released. Raises
    `NotFound`."""
    account = account_of(book, ref)
    own = [h for h in freeing if h.debit_account_id == account.id and h.resolution is None]
    return account.available + sum(hold.amount_minor for hold in own)


def open_holds(book: Book, *, credit: AccountRef | None = None) -> list[Hold]:
    """Holds that stand, of those the book knows; all on one lot with `credit=escrow(…)`."""
    wanted = None if credit is None else account_of(book, credit).id
    return [
        hold
        for hold in book.holds.values()
        if hold.resolution is None and wanted in (None, hold.credit_account_id)
    ]


def enter(book: Book, step: Step) -> Entry:
    """Take one step. Raises the `DomainError` that refuses it, and then changes nothing."""
    match step:
        case Transfer():
            entry = _transfer(book, step)
        case Post():
            entry = _post(book, step)
        case Void():
            entry = _void(book, step)
    book.entries.append(entry)
    return entry


def enter_all(book: Book, steps: Sequence[Step]) -> list[Entry]:
    """Take all steps or none. Raises what refuses the first that is refused."""
    begin = len(book.entries)
    try:
        return [enter(book, step) for step in steps]
    except DomainError:
        _take_back(book, begin)
        raise


def refusal_of(book: Book, steps: Sequence[Step]) -> DomainError | None:
    """What would refuse the steps, were they taken together now. Nothing is entered."""
    begin = len(book.entries)
    try:
        enter_all(book, steps)
    except DomainError as error:
        return error
    _take_back(book, begin)
    return None


def apply_steps(book: Book, steps: Sequence[Step]) -> list[Outcome]:
    """Take the steps in order; each gets its entry or its refusal. A chain of linked steps is taken
    whole or not at all: then each of it gets the refusal of the one that was refused. Raises
    `InvalidInput` where the last step is linked to none."""
    outcomes: list[Outcome] = []
    for chain in chains(steps):
        try:
            outcomes += enter_all(book, chain)
        except DomainError as error:
            outcomes += [error] * len(chain)
    return outcomes


def _take_back(book: Book, begin: int) -> None:
    """Undo the entries from `begin` on, the last first."""
    while len(book.entries) > begin:
        entry = book.entries.pop()
        debit, credit = book.by_id[entry.debit_account_id], book.by_id[entry.credit_account_id]
        if entry.kind in ("SINGLE", "POST"):
            debit.debits_posted -= entry.amount_minor
            credit.credits_posted -= entry.amount_minor
        if entry.kind == "PENDING":
            hold = book.holds.pop(entry.id)
            debit.debits_pending -= hold.amount_minor
            credit.credits_pending -= hold.amount_minor
        elif entry.pending_id is not None:
            hold = replace(book.holds[entry.pending_id], resolution=None)
            book.holds[hold.id] = hold
            debit.debits_pending += hold.amount_minor
            credit.credits_pending += hold.amount_minor


def _transfer(book: Book, step: Transfer) -> Entry:
    debit, credit = account_of(book, step.debit), account_of(book, step.credit)
    _check_parties(debit, credit)
    _check_amount(debit, step.amount_minor, step.code)
    _check_funds(debit, step.amount_minor)
    _check_room(debit, credit, step.amount_minor)
    if step.pending:
        debit.debits_pending += step.amount_minor
        credit.credits_pending += step.amount_minor
        book.holds[step.id] = Hold(
            step.id,
            debit.id,
            credit.id,
            debit.asset,
            step.amount_minor,
            step.code,
            step.reference,
        )
    else:
        debit.debits_posted += step.amount_minor
        credit.credits_posted += step.amount_minor
    return _entry(
        step,
        debit,
        credit,
        kind="PENDING" if step.pending else "SINGLE",
        code=step.code,
        amount_minor=step.amount_minor,
        expires_at=step.expires_at,
        reference=step.reference,
    )


def _post(book: Book, step: Post) -> Entry:
    hold = _standing(book, step.hold_id)
    if hold.expired:
        raise HoldAlreadyResolved(hold.id, "EXPIRE")
    amount = hold.amount_minor if step.amount_minor is None else step.amount_minor
    if not 0 < amount <= hold.amount_minor:
        raise InvalidInput("amount", "must be more than zero, and no more than is held")
    # A freeze does not stop this: the money was given before it, and a lot must get to close.
    debit, credit = _release(book, hold, "POST")
    debit.debits_posted += amount
    credit.credits_posted += amount
    return _entry(
        step,
        debit,
        credit,
        kind="POST",
        code=step.code or hold.code,
        amount_minor=amount,
        reference=step.reference or hold.reference,
        pending_id=hold.id,
    )


def _void(book: Book, step: Void) -> Entry:
    hold = _standing(book, step.hold_id)
    if step.expiry and not hold.expired:
        raise InvalidInput("expiry", "the hold's time is not over")
    kind: Resolution = "EXPIRE" if step.expiry else "VOID"
    debit, credit = _release(book, hold, kind)
    return _entry(
        step,
        debit,
        credit,
        kind=kind,
        code=hold.code,
        amount_minor=hold.amount_minor,
        reference=hold.reference,
        pending_id=hold.id,
    )


def _standing(book: Book, hold_id: UUID) -> Hold:
    hold = book.holds.get(hold_id)
    if hold is None:
        raise NotFound("hold")
    if hold.resolution is not None:
        raise HoldAlreadyResolved(hold.id, hold.resolution)
    return hold


def _release(book: Book, hold: Hold, resolution: Resolution) -> tuple[Account, Account]:
    debit, credit = book.by_id[hold.debit_account_id], book.by_id[hold.credit_account_id]
    debit.debits_pending -= hold.amount_minor
    credit.credits_pending -= hold.amount_minor
    book.holds[hold.id] = replace(hold, resolution=resolution)
    return debit, credit


def chains(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps cut after each one that is not `linked`. Raises `InvalidInput` for a chain that the
    end of the steps leaves open."""
    chain: list[Step] = []
    for step in steps:
        chain.append(step)
        if not step.linked:
            yield chain
            chain = []
    if chain:
        raise InvalidInput("linked", "the last transfer has no next one to be linked to")


def _check_parties(debit: Account, credit: Account) -> None:
    if debit.asset != credit.asset:
        raise AssetMismatch(debit.asset, credit.asset)
    if debit.id == credit.id:
        raise InvalidInput("to", "must be another account than the one that pays")
    for account in (debit, credit):
        if account.status == "CLOSED":
            raise AccountClosed(account.id)
    if debit.status == "FROZEN":
        raise AccountFrozen(debit.id)


def _check_amount(account: Account, amount: int, code: Code) -> None:
    if not 0 < amount <= INT64_MAX:
        raise InvalidInput("amount", "must be more than zero and fit in 64 bits")
    # People's own doing alone: a limit that was lowered must keep no lot from closing and no buyer
    # from getting their money back.
    most = account.transfer_max if account.kind == "USER" and code != "REFUND" else None
    if most is not None and amount > most:
        said = f"{to_decimal(most, account.asset)} {account.asset}"
        raise InvalidInput("amount", f"{said} at most in one transfer")


def _check_funds(debit: Account, amount: int) -> None:
    if debit.kind not in UNLIMITED and debit.available < amount:
        raise InsufficientFunds(debit.available, amount, debit.asset)
    if debit.kind == "ISSUANCE" and debit.supply_cap is not None:
        supply = -debit.available
        if supply + amount > debit.supply_cap:
            raise SupplyCapExceeded(debit.supply_cap, supply, debit.asset)


def _check_room(debit: Account, credit: Account, amount: int) -> None:
    """Counters are int64 and never fall back: a hold must fit once it is posted, too."""
    debits = debit.debits_posted + debit.debits_pending
    credits = credit.credits_posted + credit.credits_pending
    if max(debits, credits) + amount > INT64_MAX:
        raise InvalidInput("amount", "the account cannot count so far")


def _entry(
    step: Step,
    debit: Account,
    credit: Account,
    *,
    kind: TransferKind,
    code: Code,
    amount_minor: int,
    reference: str | None,
    expires_at: datetime | None = None,
    pending_id: UUID | None = None,
) -> Entry:
    return Entry(
        id=step.id,
        kind=kind,
        code=code,
        debit_account_id=debit.id,
        credit_account_id=credit.id,
        asset=debit.asset,
        amount_minor=amount_minor,
        pending_id=pending_id,
        expires_at=expires_at,
        reference=reference,
        actor_id=step.actor_id,
        debit_balance_after=debit.balance,
        debit_held_after=debit.debits_pending,
        credit_balance_after=credit.balance,
        credit_held_after=credit.debits_pending,
    )
