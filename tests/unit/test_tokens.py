"""Signing keys and access tokens: what verifies, what does not, and what rotation leaves alone."""

import base64
import hashlib
import hmac
import json
import multiprocessing
import os
import stat
import time
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from core.errors import Unauthenticated
from core.tokens import (
    KeyFileError,
    KeyRing,
    TokenPolicy,
    add_key,
    ensure_keys,
    issue_access_token,
    key_files,
    verify_access_token,
)

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
POLICY = TokenPolicy(issuer="mela", audience="mela", lifetime_s=900)


def issue(ring, *, policy=POLICY, now=NOW):
    return issue_access_token(
        ring,
        policy,
        subject="usr_" + "0" * 32,
        session_id="ses_" + "1" * 32,
        scopes={"content:read", "bid:place"},
        tier="FREE",
        now=now,
    )


def reason(ring, token, *, policy=POLICY, now=NOW):
    with pytest.raises(Unauthenticated) as refused:
        verify_access_token(ring, policy, token, now=now)
    return refused.value.reason


def part(token, n):
    text = token.split(".")[n]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def packed(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return ensure_keys(tmp_path_factory.mktemp("keys"))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_is_signed_and_verified_with_each_algorithm(tmp_path, algorithm):
    ring = ensure_keys(tmp_path, algorithm)
    issued = issue(ring)
    assert part(issued.token, 0) == {"typ": "JWT", "alg": algorithm, "kid": ring.signing_key().kid}
    claims = verify_access_token(ring, POLICY, issued.token, now=NOW)
    assert claims.scopes == {"content:read", "bid:place"}
    assert claims.token_id == issued.token_id
    assert issued.expires_at == NOW + timedelta(minutes=15)


def test_the_claims_are_these_and_no_others(ring):
    issued = issue(ring)
    assert part(issued.token, 1) == {
        "iss": "mela",
        "aud": "mela",
        "sub": "usr_" + "0" * 32,
        "sid": "ses_" + "1" * 32,
        "jti": issued.token_id,
        "scope": "bid:place content:read",
        "tier": "FREE",
        "iat": int(NOW.timestamp()),
        "nbf": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
    }


def test_an_outsider_verifies_with_the_published_keys_alone(ring):
    jwks = ring.jwks()
    assert "d" not in jwks["keys"][0]
    assert jwks["keys"][0].items() >= {"use": "sig", "alg": "RS256", "kty": "RSA"}.items()
    token = jwt.decode(issue(ring).token, KeySet.import_key_set(jwks), algorithms=["RS256"])
    assert token.claims["tier"] == "FREE"


def test_the_key_id_is_the_rfc_7638_thumbprint(ring):
    key = ring.jwks()["keys"][0]
    canonical = json.dumps(
        {name: key[name] for name in ("e", "kty", "n")}, separators=(",", ":")
    ).encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    assert key["kid"] == digest


def test_a_token_expires_to_the_second_also_when_remembered(ring):
    token = issue(ring).token
    last = NOW + timedelta(seconds=899, milliseconds=999)
    assert verify_access_token(ring, POLICY, token, now=last).tier == "FREE"
    assert reason(ring, token, now=NOW + timedelta(seconds=900)) == "TOKEN_EXPIRED"
    assert ring.recall(token) is None


def test_a_token_from_the_future_is_refused_beyond_the_clock_skew(ring):
    token = issue(ring).token
    assert verify_access_token(ring, POLICY, token, now=NOW - timedelta(seconds=5))
    assert reason(ring, token, now=NOW - timedelta(seconds=6)) == "INVALID"


def test_another_issuer_or_audience_is_refused_also_when_remembered(ring):
    token = issue(ring).token
    verify_access_token(ring, POLICY, token, now=NOW)
    assert reason(ring, token, policy=TokenPolicy(issuer="other")) == "INVALID"
    assert reason(ring, token, policy=TokenPolicy(audience="other")) == "INVALID"


def test_a_changed_signature_or_payload_is_refused(ring):
    head, body, signature = issue(ring).token.split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert reason(ring, f"{head}.{body}.{flipped}") == "INVALID"
    claims = part(f"{head}.{body}.", 1) | {"scope": "admin:users"}
    assert reason(ring, f"{head}.{packed(claims)}.{signature}") == "INVALID"


def test_tokens_of_foreign_keys_or_no_key_are_refused(ring, tmp_path):
    stranger = issue(ensure_keys(tmp_path)).token
    assert reason(ring, stranger) == "INVALID"
    header = packed({"alg": "none", "kid": ring.signing_key().kid})
    assert reason(ring, f"{header}.{packed(part(stranger, 1))}.") == "INVALID"


def test_the_public_key_is_no_shared_secret(ring):
    # The old trick: sign with HMAC, the server's public key as the secret.
    secret = ring.signing_key().as_pem(private=False)
    header = {"alg": "HS256", "typ": "JWT", "kid": ring.signing_key().kid}
    signed = f"{packed(header)}.{packed(part(issue(ring).token, 1))}"
    mac = hmac.digest(secret, signed.encode(), "sha256")
    signature = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    assert reason(ring, f"{signed}.{signature}") == "INVALID"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "x" * 5_000, "é.é.é", "eyJhbGciOiJSUzI1NiJ9.e30."]
)
def test_what_is_no_token_is_refused(ring, token):
    assert reason(ring, token) == "INVALID"


def test_a_missing_or_mistyped_claim_is_refused(ring):
    key = ring.signing_key()
    claims = part(issue(ring).token, 1)
    header = {"alg": "RS256", "kid": key.kid}
    for name in claims:
        bad = {k: v for k, v in claims.items() if k != name}
        assert reason(ring, jwt.encode(header, bad, key)) == "INVALID"
        assert reason(ring, jwt.encode(header, {**claims, name: [1]}, key)) == "INVALID"


def test_a_new_key_signs_and_the_old_tokens_still_hold(tmp_path):
    ring = ensure_keys(tmp_path)
    old, old_kid = issue(ring).token, ring.signing_key().kid
    add_key(tmp_path)
    assert ring.reload() is True
    assert ring.signing_key().kid != old_kid
    new = issue(ring).token
    for token in (old, new):
        assert verify_access_token(ring, POLICY, token, now=NOW).tier == "FREE"
    assert [key["kid"] for key in ring.jwks()["keys"]] == [ring.signing_key().kid, old_kid]
    assert verify_access_token(KeyRing(tmp_path), POLICY, old, now=NOW)


def test_a_process_that_has_not_looked_yet_takes_a_token_of_the_new_key(tmp_path):
    slow = ensure_keys(tmp_path)
    add_key(tmp_path)
    assert verify_access_token(slow, POLICY, issue(KeyRing(tmp_path)).token, now=NOW)


def test_a_change_of_algorithm_signs_nobody_out(tmp_path):
    old = issue(ensure_keys(tmp_path, "RS256")).token
    ring = ensure_keys(tmp_path, "EdDSA")
    assert part(issue(ring).token, 0)["alg"] == "EdDSA"
    assert verify_access_token(ring, POLICY, old, now=NOW)


def test_a_withdrawn_key_verifies_nothing_not_even_what_it_did(tmp_path):
    ring = ensure_keys(tmp_path)
    token = issue(ring).token
    verify_access_token(ring, POLICY, token, now=NOW)
    add_key(tmp_path)
    key_files(tmp_path)[0].unlink()
    assert ring.reload() is True
    assert reason(ring, token) == "INVALID"


def test_a_broken_key_file_keeps_the_ring_that_was_read_before(tmp_path):
    ring = ensure_keys(tmp_path)
    token = issue(ring).token
    (tmp_path / "9999-broken.pem").write_text("-----BEGIN PRIVATE KEY-----\nno")
    assert ring.reload() is False
    assert verify_access_token(ring, POLICY, token, now=NOW)
    with pytest.raises(KeyFileError, match=r"9999-broken\.pem"):
        KeyRing(tmp_path)


def test_a_folder_without_keys_says_so(tmp_path):
    with pytest.raises(KeyFileError, match="holds no RS256 private key"):
        KeyRing(tmp_path)


def test_a_made_key_is_ours_alone(tmp_path):
    ensure_keys(tmp_path / "state" / "keys")
    (path,) = key_files(tmp_path / "state" / "keys")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == [path.name]


def _kid_of(directory):
    return ensure_keys(directory, "ES256").signing_key().kid


def test_processes_that_start_at_once_agree_on_one_key(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        kids = pool.map(_kid_of, [tmp_path / "keys"] * 6, chunksize=1)
    assert len(set(kids)) == 1
    assert len(os.listdir(tmp_path / "keys")) == 1


def test_a_remembered_token_is_far_cheaper_than_a_verified_one(ring):
    tokens = [issue(ring).token for _ in range(20)]

    def cost():
        began = time.perf_counter()
        for token in tokens:
            verify_access_token(ring, POLICY, token, now=NOW)
        return time.perf_counter() - began

    assert cost() > 3 * min(cost() for _ in range(5))
