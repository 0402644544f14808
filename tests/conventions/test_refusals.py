"""Each refusal that a mutation's code can raise is a member of its union, and no member is idle.

The code is read, not run: from a mutation's resolver along every name of ours that it mentions.
Attributes of the server's parts (`server.bids.place`) are followed by the parts' types.
"""

import ast
import importlib
import inspect
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from core import errors as core_errors
from core.errors import DomainError
from resolvers.context import Server
from schema.auctions.errors import ERRORS as AUCTION_ERRORS
from schema.common import ErrorCode
from schema.content.errors import ERRORS as CONTENT_ERRORS
from schema.errors import SHARED, error_of
from schema.quests.errors import ERRORS as QUEST_ERRORS
from schema.quests.reviews import ERRORS as EVIDENCE_ERRORS
from schema.users.errors import ERRORS as USER_ERRORS
from schema.wallets.errors import ERRORS as WALLET_ERRORS
from services.auctions import errors as auction_errors
from services.auctions.sheet import Fault
from services.content import errors as content_errors
from services.quests import errors as quest_errors
from services.quests.contract import Check, Missing
from services.users import errors as user_errors
from services.wallets import errors as wallet_errors

ROOT = Path(__file__).resolve().parents[2]
FOLLOWED = ("schema", "resolvers", "services", "core")
ROWS = (
    *USER_ERRORS,
    *CONTENT_ERRORS,
    *WALLET_ERRORS,
    *AUCTION_ERRORS,
    *QUEST_ERRORS,
    *EVIDENCE_ERRORS,
    *SHARED,
)
TYPES = {row.exception: row.error_type.__name__ for row in ROWS}
PARTS = inspect.get_annotations(Server, eval_str=True)

CANNOT_HAPPEN = {
    ("deleteImage", "InvalidInput"): "of the profile something is only taken away",
    ("changeUsername", "EmailTaken"): "it changes no address, so only the username can be taken",
    ("cancelAuction", "InvalidInput"): "reading a lot's increments: no service writes bad ones",
    **{
        (mutation, error): "the ledger's rules are read whole: " + why
        for error, why, mutations in (
            ("AssetMismatch", "one asset names both accounts", "deposit withdraw transfer"),
            ("HoldAlreadyResolved", "no hold is resolved", "deposit transfer mint burn"),
            ("SupplyCapExceeded", "nothing is issued", "deposit withdraw transfer burn"),
            ("InsufficientFunds", "who pays has no limit", "deposit mint"),
            ("AccountFrozen", "who pays cannot be frozen", "deposit mint"),
            ("NotFound", "the viewer exists, and so does the hold", "deposit withdraw burn"),
        )
        for mutation in (
            verb + ("Tokens" if verb in ("mint", "burn") else "Funds") for verb in mutations.split()
        )
    },
    **{
        (mutation, error): "the ledger's rules are read whole: " + why
        for error, why, mutations in (
            ("AssetMismatch", "one asset names all accounts", "placeBid buyNow cancelAuction"),
            ("AssetMismatch", "one asset names all accounts", "purchaseProduct refundOrder"),
            ("HoldAlreadyResolved", "holds of a locked lot", "placeBid buyNow cancelAuction"),
            ("HoldAlreadyResolved", "no hold is resolved", "purchaseProduct refundOrder"),
            ("SupplyCapExceeded", "nothing is issued", "placeBid buyNow cancelAuction"),
            ("SupplyCapExceeded", "nothing is issued", "purchaseProduct refundOrder"),
            ("InsufficientFunds", "holds are only released", "cancelAuction"),
            ("AccountFrozen", "holds are only released", "cancelAuction"),
            ("AccountClosed", "an account that holds cannot be closed", "cancelAuction"),
        )
        for mutation in mutations.split()
    },
    **{
        (mutation, error): "a reward that cannot be paid now is given later, and raises nothing"
        for mutation in ("submitEvidence", "reviewEvidence", "resolveDispute")
        for error in (
            "InsufficientFunds",
            "SupplyCapExceeded",
            "AccountFrozen",
            "AccountClosed",
            "AssetMismatch",
            "HoldAlreadyResolved",
        )
    },
    **{
        (mutation, "OutOfStock"): "a due lot without stock is cancelled: it is then not open"
        for mutation in ("placeBid", "buyNow")
    },
}
"""What the walk finds and code never does, each with why."""


class Table(NamedTuple):
    """A module's constant: its expression may name functions that run (`RULES`)."""

    module: str
    name: str


@cache
def module_of(name: str) -> ModuleType:
    return importlib.import_module(name)


@cache
def tree_of(module_name: str) -> ast.Module:
    return ast.parse(Path(module_of(module_name).__file__ or "").read_text(encoding="utf-8"))


def is_ours(value: Any) -> bool:
    if isinstance(value, Table):
        return True
    module = getattr(value, "__module__", None) or ""
    code = inspect.isfunction(value) or inspect.isclass(value)
    return module.split(".")[0] in FOLLOWED and code


@cache
def constants_of(module_name: str) -> dict[str, ast.expr]:
    """What a module assigns at its top, by name."""
    found: dict[str, ast.expr] = {}
    for node in tree_of(module_name).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = node.value
        elif isinstance(node, ast.Assign):
            found |= {t.id: node.value for t in node.targets if isinstance(t, ast.Name)}
    return found


def source_of(value: Any) -> tuple[str, ast.AST] | None:
    """The module and the source of a function, a method or a constant of ours."""
    if isinstance(value, Table):
        return value.module, constants_of(value.module)[value.name]
    *owners, name = value.__qualname__.split(".")
    body: list[ast.stmt] = tree_of(value.__module__).body
    for owner in owners:
        classes = [n for n in body if isinstance(n, ast.ClassDef) and n.name == owner]
        if not classes:
            return None  # within another function, which has been read as a whole
        body = classes[0].body
    defined = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [n for n in body if isinstance(n, defined) and n.name == name]
    return (value.__module__, found[0]) if found else None


def resolve(node: ast.AST, module: str, owner: Any = None) -> Any:
    """What a name or a dotted name in a module (and in a method of `owner`) stands for, or None."""
    names = vars(module_of(module))
    if isinstance(node, ast.Name):
        if node.id in constants_of(module):
            return Table(module, node.id)
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        before = node.value
        if owner is not None and isinstance(before, ast.Name) and before.id in ("self", "cls"):
            return inspect.getattr_static(owner, node.attr, None)
        part = before.attr if isinstance(before, ast.Attribute) else getattr(before, "id", None)
        if part in PARTS and not inspect.ismodule(names.get(part)):
            return getattr(PARTS[part], node.attr, None)
        left = resolve(before, module, owner)
        if inspect.ismodule(left) and left.__name__.split(".")[0] in FOLLOWED:
            known = node.attr in constants_of(left.__name__)
            return Table(left.__name__, node.attr) if known else getattr(left, node.attr, None)
        return getattr(left, node.attr, None) if inspect.isclass(left) else None
    return None


def raises_nothing(tree: ast.AST) -> set[int]:
    """The nodes that only speak of a type: `except`, `isinstance`, annotations."""
    idle: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            idle.append(node.type)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            idle.append(node)
        else:
            idle += [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return {id(inner) for part in idle if part is not None for inner in ast.walk(part)}


def mentioned(value: Any) -> set[Any]:
    """What of ours a function or a constant mentions."""
    found = source_of(value)
    if found is None:
        return set()
    module, tree = found
    idle = raises_nothing(tree)
    owner = owner_of(value)
    named = [resolve(node, module, owner) for node in ast.walk(tree) if id(node) not in idle]
    return {each for each in named if is_ours(each)}


def owner_of(value: Any) -> Any:
    """The class of a method; None for anything else."""
    path = getattr(value, "__qualname__", "").split(".")
    owner = getattr(module_of(value.__module__), path[0], None) if len(path) == 2 else None
    return owner if inspect.isclass(owner) else None


def steps_from(value: Any) -> set[Any]:
    if inspect.isclass(value):
        checks = [vars(value).get(n) for n in ("__post_init__", "__init__")]
        return {check for check in checks if inspect.isfunction(check)}
    return mentioned(value)


def refusals(function: Any) -> set[type[DomainError]]:
    """The domain errors that can come out of a function."""
    seen: set[Any] = set()
    waiting = [function]
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        if not (inspect.isclass(value) and issubclass(value, DomainError)):
            waiting += steps_from(value)
    return {v for v in seen if inspect.isclass(v) and issubclass(v, DomainError)} - {DomainError}


@pytest.fixture(scope="module")
def resolvers_by_mutation(schema):
    fields = schema.schema_converter.type_map["Mutation"].definition.fields
    name_of = schema.config.name_converter.from_field
    return {name_of(field): field.base_resolver.wrapped_func for field in fields}


def members(core_schema, mutation: str) -> set[str]:
    union = core_schema.mutation_type.fields[mutation].type.of_type
    return {m.name for m in union.types if "Error" in {i.name for i in m.interfaces}}


def test_the_walk_sees_what_is_known(resolvers_by_mutation):
    found = {TYPES[e] for e in refusals(resolvers_by_mutation["placeBid"])}
    assert found >= {
        "BidTooLow",  # from a pure function that returns it
        "AuctionNotOpen",
        "SellerCannotBid",
        "NotFound",
        "InvalidInput",  # from core, through the schema's input
        "IdempotencyConflict",  # behind the queue, an attribute of the server
    }
    found = {TYPES[e] for e in refusals(resolvers_by_mutation["signUp"])}
    assert found == {"EmailTaken", "UsernameTaken", "InvalidInput"}


def test_every_refusal_is_in_its_mutations_union(core_schema, resolvers_by_mutation):
    missing = []
    for mutation, resolver in resolvers_by_mutation.items():
        for error in refusals(resolver):
            pair = (mutation, TYPES[error])
            if TYPES[error] not in members(core_schema, mutation) and pair not in CANNOT_HAPPEN:
                missing.append(pair)
    assert missing == []


def test_every_error_in_a_union_can_happen(core_schema, resolvers_by_mutation):
    idle = []
    for mutation, resolver in resolvers_by_mutation.items():
        possible = {TYPES[error] for error in refusals(resolver)}
        idle += [(mutation, name) for name in members(core_schema, mutation) - possible]
    assert idle == []


def test_exemptions_are_still_needed(core_schema, resolvers_by_mutation):
    for mutation, name in CANNOT_HAPPEN:
        assert name in {TYPES[e] for e in refusals(resolvers_by_mutation[mutation])}
        assert name not in members(core_schema, mutation)


def all_refusals(kind: type[DomainError] = DomainError) -> set[type[DomainError]]:
    below = {c for c in kind.__subclasses__() if c.__module__.split(".")[0] in FOLLOWED}
    return below.union(*(all_refusals(c) for c in below))


def test_each_refusal_has_one_row_in_the_table_of_errors():
    exceptions = [row.exception for row in ROWS]
    assert len(exceptions) == len(set(exceptions))
    assert all_refusals() - set(exceptions) == set()


def test_codes_are_the_enums_and_each_is_used():
    codes = [row.exception.code for row in ROWS]
    assert sorted(codes) == sorted(code.value for code in ErrorCode)


SAMPLES = (
    core_errors.InvalidInput("name", "too long"),
    core_errors.NotFound("stall"),
    core_errors.Forbidden("not yours"),
    core_errors.IdempotencyConflict(),
    core_errors.PlatformUnavailable("moon"),
    core_errors.PlatformRateLimited("moon", 30),
    core_errors.PlatformInvalidResponse("moon"),
    content_errors.ImageQuotaExceeded(200, 1),
    auction_errors.BidTooLow(150, "USD"),
    auction_errors.AuctionNotOpen("SOLD", datetime(2030, 1, 1, tzinfo=UTC)),
    auction_errors.SellerCannotBid(),
    auction_errors.BuyNowGone(),
    auction_errors.PriceChanged(150, "USD"),
    auction_errors.OutOfStock(2),
    auction_errors.SellerCannotBuy(),
    auction_errors.WrongOrderStatus("REFUNDED"),
    auction_errors.SlugTaken("pots"),
    auction_errors.ImportRefused((Fault(2, "price", "a number"),), 1),
    user_errors.EmailTaken(),
    user_errors.UsernameTaken(),
    user_errors.InvalidCredentials(),
    user_errors.AccountSuspended(),
    user_errors.TokenReused(),
    wallet_errors.InsufficientFunds(1, 2, "USD"),
    wallet_errors.AssetMismatch("USD", "EUR"),
    wallet_errors.AccountClosed(UUID(int=1)),
    wallet_errors.AccountFrozen(UUID(int=1)),
    wallet_errors.HoldAlreadyResolved(UUID(int=1), "VOID"),
    wallet_errors.SupplyCapExceeded(2, 1, "SPARK"),
    wallet_errors.InvalidSignature("another address has signed"),
    wallet_errors.AddressTaken("0x" + "0" * 40),
    quest_errors.QuestNotOpen("PAUSED"),
    quest_errors.QuestFull(10),
    quest_errors.PrerequisiteMissing(quest_ids=["qst_1"], badges=["river-keeper"], level_min=2),
    quest_errors.AlreadyAssigned("asg_1"),
    quest_errors.WrongAssignmentStatus("SUBMITTED"),
    quest_errors.WrongQuestStatus("CLOSED"),
    quest_errors.NotYourAssignment(),
    quest_errors.TeamFull(3),
    quest_errors.AlreadyInTeam(),
    quest_errors.EvidenceIncomplete([Missing("PHOTO", 2)]),
    quest_errors.EvidenceRejected([Check("PACE", 0, 100, "FLAGGED", "too fast")]),
    quest_errors.ConflictOfInterest("TEAM"),
    quest_errors.AlreadyReviewed(),
    quest_errors.AlreadyDisputed(),
)


def test_there_is_a_sample_of_each_refusal():
    assert {type(sample) for sample in SAMPLES} == set(TYPES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_error_types_say_all_that_the_refusal_knows(schema, sample):
    [row] = [row for row in ROWS if row.exception is type(sample)]
    told = error_of(row, sample)
    assert told.message == sample.message
    assert told.code is ErrorCode(sample.code)
    definition = schema.schema_converter.type_map[row.error_type.__name__].definition
    facts = {f.python_name: getattr(told, f.python_name) for f in definition.fields}
    assert None not in facts.values()
    assert len(facts) - 2 <= len(vars(sample)) - 1  # nothing made up, all but the message told
    assert (len(facts) > 2) == (len(vars(sample)) > 1)
