"""The verifier that auditors run: RFC 8032's vectors, our own signer and tree, and tampering."""

import copy
import importlib.util
import json
import subprocess
import sys
from hashlib import sha512
from pathlib import Path

import pytest

from core.signing import Signature, ensure_note_keys, note
from services.wallets.merkle import (
    consistency_parts,
    inclusion_parts,
    leaf_hash,
    nodes_of,
    root_of,
    roots_of,
)

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_ledger.py"
spec = importlib.util.spec_from_file_location("verify_ledger", SCRIPT)
verifier = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verifier)

VECTORS = [  # RFC 8032, section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
        "cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
        "0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
        "84dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66"
        "431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


def test_the_verifier_is_short_and_needs_the_standard_library_alone():
    lines = SCRIPT.read_text().splitlines()
    assert len(lines) < 150
    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_signatures_of_rfc_8032_hold_and_changed_ones_do_not(key, message, signature):
    parts = [bytes.fromhex(part) for part in (key, message, signature)]
    assert verifier.ed25519_holds(*parts)
    for which, part in enumerate(parts):
        for place in range(0, len(part), 5):
            changed = [*parts]
            changed[which] = part[:place] + bytes([part[place] ^ 4]) + part[place + 1 :]
            assert not verifier.ed25519_holds(*changed)
    assert not verifier.ed25519_holds(parts[0], parts[1] + b"\0", parts[2])


def test_a_second_form_of_a_signature_is_refused():
    key, message, signature = (bytes.fromhex(part) for part in VECTORS[1])
    malleable = int.from_bytes(signature[32:], "little") + verifier.L
    assert not verifier.ed25519_holds(
        key, message, signature[:32] + malleable.to_bytes(32, "little")
    )


@pytest.mark.parametrize("length", [0, 31, 32, 63, 65])
def test_signatures_of_another_length_are_refused(length):
    assert not verifier.ed25519_holds(bytes.fromhex(VECTORS[0][0]), b"", b"\1" * length)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return ensure_note_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def public(keys):
    return [next(iter(keys.public_keys))]


LEAVES = [json.dumps({"amount": str(n)}) for n in range(23)]
HASHES = [leaf_hash(leaf.encode()) for leaf in LEAVES]


def head(keys, size, origin="mela/ledger"):
    import base64

    root = base64.b64encode(root_of(HASHES[:size])).decode()
    text = f"{origin}\n{size}\n{root}\n2026-01-31T12:00:00.000000Z\n"
    return {"note": note(text, origin, keys.sign(text))}


def stored():
    nodes = {(0, n): h for n, h in enumerate(HASHES)}
    for level in range(1, 6):
        for index in range(len(HASHES) >> level):
            nodes[level, index] = root_of(HASHES[index << level : (index + 1) << level])
    return nodes


def path(parts):
    assert nodes_of(parts) <= stored().keys()
    return [step.hex() for step in roots_of(parts, stored())]


def bundle(keys, index, old, new):
    return {
        "ledgerInclusionProof": {
            "index": str(index),
            "leaf": LEAVES[index],
            "leafHash": HASHES[index].hex(),
            "path": path(inclusion_parts(index, new)),
            "head": head(keys, new),
        },
        "ledgerConsistencyProof": {
            "path": path(consistency_parts(old, new)),
            "fromHead": head(keys, old),
            "toHead": head(keys, new),
        },
    }


@pytest.mark.parametrize("new", [1, 2, 7, 8, 23])
def test_true_proofs_of_every_place_are_verified(keys, public, new):
    for place in range(new):
        assert len(verifier.check(bundle(keys, place, place + 1, new), public)) == 2


def test_a_hidden_leaf_is_verified_by_its_hash_and_graphql_answers_as_they_are(keys, public):
    given = bundle(keys, 4, 9, 23)
    given["ledgerInclusionProof"]["leaf"] = None
    assert len(verifier.check({"data": given}, public)) == 2


def spots(value, at=()):
    """The way to each text in a bundle."""
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from spots(below, (*at, key))
    elif at[-1] != "leafHash":  # not read where the leaf itself is given
        yield at


def test_every_changed_character_of_a_bundle_is_found(keys, public):
    true = bundle(keys, 11, 14, 23)
    for spot in spots(true):
        text = true[spot[0]]
        for key in spot[1:]:
            text = text[key]
        for place in range(0, len(text), 7 if len(text) > 40 else 1):
            if base64_padding(text, place):
                continue
            changed = copy.deepcopy(true)
            inner = changed[spot[0]]
            for key in spot[1:-1]:
                inner = inner[key]
            other = "7" if text[place] != "7" else "8"
            inner[spot[-1]] = text[:place] + other + text[place + 1 :]
            with pytest.raises(ValueError):  # noqa: PT011  (which one depends on the place)
                verifier.check(changed, public)


def base64_padding(text, place):
    """What a note's signature line says of its maker is a hint alone, under no signature."""
    start = text.find("\N{EM DASH}")
    return start >= 0 and place >= start and place < start + len("\N{EM DASH} mela/ledger abcdef")


def test_what_is_shortened_lengthened_or_swapped_is_found(keys, public):
    for part, name in (("ledgerInclusionProof", "path"), ("ledgerConsistencyProof", "path")):
        for change in (lambda p: p[:-1], lambda p: p[1:], lambda p: [*p, "00" * 32], lambda p: []):
            changed = bundle(keys, 11, 14, 23)
            changed[part][name] = change(changed[part][name])
            with pytest.raises(ValueError, match=r"path|begin|not in the tree"):
                verifier.check(changed, public)
    swapped = bundle(keys, 11, 14, 23)
    proof = swapped["ledgerConsistencyProof"]
    proof["fromHead"], proof["toHead"] = proof["toHead"], proof["fromHead"]
    with pytest.raises(ValueError, match="path"):
        verifier.check(swapped, public)


def test_a_head_of_another_key_or_another_kind_of_note_is_refused(keys, public, tmp_path):
    other = ensure_note_keys(tmp_path / "other")
    with pytest.raises(ValueError, match="not signed"):
        verifier.check(bundle(other, 1, 2, 3), public)
    report = bundle(keys, 1, 2, 3)
    report["ledgerInclusionProof"]["head"] = head(keys, 3, origin="mela/ledger-month")
    with pytest.raises(ValueError, match="not signed"):
        verifier.check(report, public)


def test_an_empty_bundle_proves_nothing(public):
    with pytest.raises(ValueError, match="no proof"):
        verifier.check({}, public)


def test_the_script_says_what_it_verified_and_fails_on_a_lie(keys, public, tmp_path):
    file = tmp_path / "proof.json"
    true = bundle(keys, 5, 6, 23)

    def ran():
        file.write_text(json.dumps(true))
        command = [sys.executable, "-I", str(SCRIPT), str(file), public[0].hex()]
        return subprocess.run(command, capture_output=True, text=True)

    done = ran()
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"verified: leaf 5 is in the tree of 23: {LEAVES[5]}",
        "verified: the tree of 23 begins with the tree of 6",
    ]
    true["ledgerInclusionProof"]["leaf"] = LEAVES[5].replace("5", "6")
    done = ran()
    assert done.returncode == 1
    assert "NOT VERIFIED: the transfer is not in the tree" in done.stderr


def test_the_server_side_and_the_verifier_agree_on_every_signature(keys, public):
    signed = keys.sign("text\n")
    assert keys.holds("text\n", signed)
    assert verifier.ed25519_holds(public[0], b"text\n", signed.value)
    assert not keys.holds("text", signed)
    assert not keys.holds("text\n", Signature(b"\1" * 32, signed.value))
