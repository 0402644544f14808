"""The log as clients ask for it; the verifier reads the answers as they are."""

import importlib.util
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import strawberry
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from strawberry.schema.config import StrawberryConfig

from core.ids import new_id
from core.settings import Settings
from loaders.base import Loaders
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from schema.scalars import SCALARS
from schema.wallets.log import LedgerLogQuery
from services.users.access import Viewer
from services.wallets.report import attest_month, mark_month

SCRIPT = Path(__file__).parents[3] / "docs" / "verify_ledger.py"
PROOFS = """
    query ($transfer: ID!, $from: BigInt!, $to: BigInt!) {
      ledgerInclusionProof(transferId: $transfer) {
        transferId index leaf leafHash path head { note }
      }
      ledgerConsistencyProof(fromSize: $from, toSize: $to) {
        fromSize toSize path fromHead { note } toHead { note }
      }
    }
"""
ATTESTATION = """
    query ($period: String!) { ledgerAttestation(period: $period) {
      period size rootHash attestedAt text publicKey signature
      marks { auditor statement markedAt } } }
"""
HEAD = "{ ledgerTreeHead { size rootHash signedAt keyHash publicKey signature note } }"


@strawberry.type
class Query(LedgerLogQuery):
    pass


SCHEMA = MelaSchema(
    query=Query, domains=("wallets",), config=StrawberryConfig(scalar_map=dict(SCALARS))
)


@pytest.fixture
def verifier():
    spec = importlib.util.spec_from_file_location("verify_ledger", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ask(scratch):
    async def ask(query, *, by=None, scopes=(), **variables):
        known = {"user_id": by, "scopes": frozenset(scopes)}
        viewer = by and Viewer(**{**dict.fromkeys(Viewer.__slots__), **known})
        context = OperationContext(
            server=SimpleNamespace(db=scratch.db, settings=Settings(profile="test")),
            viewer=viewer,
            request_id="r",
            address=None,
            user_agent="",
            loaders=Loaders(scratch.db, by),
        )
        return await SCHEMA.execute(query, variable_values=variables, context_value=context)

    return ask


async def test_an_empty_log_has_no_head(ask):
    result = await ask(HEAD)
    assert (result.errors, result.data) == (None, {"ledgerTreeHead": None})


async def test_answers_are_proofs_that_the_verifier_reads(scratch, ask, verifier):
    await scratch.fill(40)
    await scratch.catch_up(15)
    row = (await scratch.rows("SELECT * FROM ledger_leaf WHERE index = 9"))[0]
    account = (
        await scratch.rows(
            "SELECT a.owner_id FROM transfer AS t JOIN ledger_account AS a"
            " ON a.id IN (t.credit_account_id, t.debit_account_id) AND a.kind = 'USER'"
            " WHERE t.id = :id",
            id=row.transfer_id,
        )
    )[0]
    size = (await ask(HEAD)).data["ledgerTreeHead"]["size"]
    asked = {"transfer": f"trf_{row.transfer_id.hex}", "from": "15", "to": size}
    key = next(iter(scratch.keys.public_keys))

    result = await ask(PROOFS, by=account.owner_id, **asked)
    assert result.errors is None
    assert result.data["ledgerInclusionProof"]["index"] == "9"
    assert '"amount":' in result.data["ledgerInclusionProof"]["leaf"]
    assert len(verifier.check({"data": result.data}, [key])) == 2

    for stranger in (None, row.transfer_id):
        result = await ask(PROOFS, by=stranger, **asked)
        assert result.data["ledgerInclusionProof"]["leaf"] is None
        assert result.data["ledgerInclusionProof"]["leafHash"] == row.hash.hex()
        assert len(verifier.check(result.data, [key])) == 2


async def test_a_signed_month_is_read_by_scope_and_anyone_can_check_it(scratch, ask, verifier):
    await scratch.fill(21)
    await scratch.sequence()
    attest = partial(attest_month, keys=scratch.keys, period="2020-01")
    await scratch.db.transaction(attest)
    for name in ("A. Auditor", "B. Auditor"):
        mark = partial(mark_month, period="2020-01", auditor=name, statement=f"[b]{name}[/b]")
        await scratch.db.transaction(mark)
    someone = new_id()
    for by, scopes in ((None, ()), (someone, ("ledger:mint", "system:configure"))):
        refused = await ask(ATTESTATION, by=by, scopes=scopes, period="2020-01")
        assert refused.errors is not None
        assert refused.data == {"ledgerAttestation": None}
    asked = partial(ask, ATTESTATION, by=someone, scopes=["analytics:view"])
    found = (await asked(period="2020-01")).data["ledgerAttestation"]
    head = (await ask(HEAD)).data["ledgerTreeHead"]
    assert (found["size"], found["rootHash"]) == (head["size"], head["rootHash"])
    assert [m["statement"] for m in found["marks"]] == ["[b]A. Auditor[/b]", "[b]B. Auditor[/b]"]
    assert found["text"].startswith(f"mela/ledger-month\n2020-01\n{head['size']}\n")
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found["publicKey"]))
    key.verify(bytes.fromhex(found["signature"]), found["text"].encode())
    for none in ("2020-02", "2020-13", "", "2020-01\0"):
        result = await asked(period=none)
        assert (result.errors, result.data) == (None, {"ledgerAttestation": None})


async def test_the_head_is_signed_by_the_logs_key(scratch, ask, verifier):
    await scratch.fill(21)
    await scratch.sequence()
    head = (await ask(HEAD)).data["ledgerTreeHead"]
    key = next(iter(scratch.keys.public_keys))
    assert head["publicKey"] == key.hex()
    assert verifier.read_head(head["note"], [key]) == (
        int(head["size"]),
        bytes.fromhex(head["rootHash"]),
    )
    assert head["note"].splitlines()[3] == head["signedAt"]


@pytest.mark.parametrize("id", ["trf_" + "0" * 32, "usr_" + "0" * 32, "x"])
async def test_what_is_unknown_or_malformed_has_no_proof(scratch, ask, id):
    await scratch.fill(21)
    await scratch.sequence()
    result = await ask(
        "query ($id: ID!) { ledgerInclusionProof(transferId: $id) { index } }", id=id
    )
    assert (result.errors, result.data) == (None, {"ledgerInclusionProof": None})


async def test_sizes_that_the_log_never_had_are_refused(scratch, ask):
    await scratch.fill(21)
    await scratch.sequence()
    result = await ask('{ ledgerConsistencyProof(fromSize: "1", toSize: "99999") { path } }')
    assert [error.extensions["code"] for error in result.errors] == ["BAD_USER_INPUT"]
