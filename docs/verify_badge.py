"""Verify a badge that Mela gave (Open Badges 3.0, VC-JWT), offline.

    python verify_badge.py CREDENTIAL.jwt PUBLIC_KEY...

CREDENTIAL.jwt is what the GraphQL field `credential(achievementId)` answers. PUBLIC_KEY is the
audit key in hex (several after a rotation), the one that signs the ledger's tree heads: take it
from somewhere you trust, never from the credential. Needs the `cryptography` package alone.
Exits with 0 if the badge is true, else with 1.
"""

import base64
import json
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CONTEXTS = ["https://www.w3.org/ns/credentials/v2"]
OB = "https://purl.imsglobal.org/spec/ob/v3p0/context"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def fail(why):
    raise ValueError(why)


def decoded(part):
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def did_key(key):
    """`did:key:z…` of an Ed25519 key: base58 of the multicodec prefix and the key."""
    number, said = int.from_bytes(b"\xed\x01" + key, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        said = ALPHABET[rest] + said
    return "did:key:z" + said


def signer_of(token, keys):
    """The key, of those given, that signed the token."""
    head, body, signature = token.split(".")
    if json.loads(decoded(head)).get("alg") != "EdDSA":
        fail("it is not signed with EdDSA")
    for key in keys:
        try:
            found = Ed25519PublicKey.from_public_bytes(key)
            found.verify(decoded(signature), f"{head}.{body}".encode())
        except InvalidSignature:
            continue
        return key
    return fail("it is not signed by the given key")


def check(token, keys, now):
    """The credential, if all of it is true. Raises ValueError at the first thing that is not."""
    key = signer_of(token, keys)
    found = json.loads(decoded(token.split(".")[1]))
    if found["@context"][:1] != CONTEXTS or not found["@context"][1].startswith(OB):
        fail("it is no Open Badges 3.0 credential")
    if not {"VerifiableCredential", "OpenBadgeCredential"} <= set(found["type"]):
        fail("it is no badge")
    if not found["issuer"]["id"] == found["iss"] == did_key(key):
        fail("its issuer is not the key that signed it")
    if (found["jti"], found["sub"]) != (found["id"], found["credentialSubject"]["id"]):
        fail("its claims and its credential say different things")
    valid_from = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found["nbf"]))
    if found["validFrom"] != valid_from or found["nbf"] > now:
        fail("it is not valid yet, or its times differ")
    return found


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    try:
        with open(arguments[0], encoding="ascii") as file:
            keys = [bytes.fromhex(key) for key in arguments[1:]]
            found = check(file.read().strip(), keys, time.time())
        subject = found["credentialSubject"]
        said = (subject["id"], subject["achievement"]["name"], found["validFrom"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        sys.exit(f"NOT VERIFIED: {error}")
    sys.stdout.write("verified: {} earned {!r} on {}\n".format(*said))


if __name__ == "__main__":
    main(sys.argv[1:])
