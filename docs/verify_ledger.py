"""Verify what Mela's ledger log says, with nothing but Python's standard library.

    python verify_ledger.py PROOF.json PUBLIC_KEY...

PROOF.json is the answer of the GraphQL fields `ledgerInclusionProof { index leaf leafHash path
head { note } }` and `ledgerConsistencyProof { path fromHead { note } toHead { note } }`, either or
both, or what `mela ledger export --format proof` wrote. PUBLIC_KEY is the log's Ed25519 key in hex
(several after a rotation): take it from somewhere you trust, never from the proof itself.
Exits with 0 if everything given is true, else with 1.
"""

import base64
import hashlib
import json
import sys

# Ed25519, RFC 8032. Points are (X, Y, Z, T): x = X/Z, y = Y/Z, x*y = T/Z.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_mul(scalar, point):
    found = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = point_add(found, point)
        point, scalar = point_add(point, point), scalar >> 1
    return found


def point_from(data):
    y, sign = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    if y >= P:
        raise ValueError("no point of the curve")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_from((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_holds(key, message, signature):
    """Whether `signature` (64 bytes) of `message` was made with the private half of `key` (32)."""
    scalar = int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or scalar >= L:
        return False
    try:
        public, r = point_from(key), point_from(signature[:32])
    except ValueError:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    p = point_mul(scalar, BASE)
    q = point_add(r, point_mul(int.from_bytes(digest, "little") % L, public))
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


# Merkle trees, RFC 6962 and RFC 9162. A proof is the hashes of subtrees, the lowest first.
def sha256(data):
    return hashlib.sha256(data).digest()


def inclusion_root(index, size, leaf, path):
    """The root of a tree of `size` in which `leaf` stands at `index` (RFC 6962, 2.1.1)."""
    if not 0 <= index < size or (size == 1) != (not path):
        fail("the path does not fit the tree")
    if size == 1:
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return sha256(b"\x01" + inclusion_root(index, half, leaf, path[:-1]) + path[-1])
    return sha256(b"\x01" + path[-1] + inclusion_root(index - half, size - half, leaf, path[:-1]))


def consistency_roots(old, new, path, old_root, whole=True):
    """The roots that `path` gives the trees of both sizes, 1 <= old <= new (RFC 6962, 2.1.2)."""
    if not 1 <= old <= new or (old == new and whole) != (not path) or (old == new and path[1:]):
        fail("the path does not fit the trees")
    if old == new:
        return (old_root, old_root) if whole else (path[0], path[0])
    half, last = 1 << (new - 1).bit_length() - 1, path[-1]
    if old <= half:
        first, second = consistency_roots(old, half, path[:-1], old_root, whole)
        return first, sha256(b"\x01" + second + last)
    pair = consistency_roots(old - half, new - half, path[:-1], old_root, False)
    return tuple(sha256(b"\x01" + last + found) for found in pair)


def read_head(note, keys):
    """(size, root) of a signed tree head, if one of `keys` signed it. It is a C2SP signed note:
    origin, size, root and time, an empty line, and lines `— name base64(key id + signature)`."""
    body, _, signatures = note.partition("\n\n")
    origin, size, root = body.split("\n")[:3]
    for line in signatures.splitlines() if origin == "mela/ledger" else ():
        signature = base64.b64decode(line.split(" ")[2], validate=True)[4:]
        if any(ed25519_holds(key, (body + "\n").encode(), signature) for key in keys):
            return int(size), base64.b64decode(root, validate=True)
    return fail("the tree head is not signed by the given key")


def fail(why):
    raise ValueError(why)


def check(bundle, keys):
    """Lines about what was found true. Raises ValueError at the first thing that is not."""
    bundle, said = bundle.get("data") or bundle, []
    if proof := bundle.get("ledgerInclusionProof"):
        (size, root), leaf = read_head(proof["head"]["note"], keys), proof.get("leaf")
        path = [bytes.fromhex(step) for step in proof["path"]]
        found = sha256(b"\x00" + leaf.encode()) if leaf else bytes.fromhex(proof["leafHash"])
        if inclusion_root(int(proof["index"]), size, found, path) != root:
            fail("the transfer is not in the tree")
        said.append(f"leaf {proof['index']} is in the tree of {size}: {leaf or found.hex()}")
    if proof := bundle.get("ledgerConsistencyProof"):
        old, old_root = read_head(proof["fromHead"]["note"], keys)
        new, new_root = read_head(proof["toHead"]["note"], keys)
        path = [bytes.fromhex(step) for step in proof["path"]]
        if consistency_roots(old, new, path, old_root) != (old_root, new_root):
            fail("the newer tree does not begin with the older one")
        said.append(f"the tree of {new} begins with the tree of {old}")
    return said or fail("there is no proof in it")


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    try:
        with open(arguments[0], "rb") as file:
            said = check(json.load(file), [bytes.fromhex(key) for key in arguments[1:]])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        sys.exit(f"NOT VERIFIED: {error}")
    sys.stdout.write("".join(f"verified: {line}\n" for line in said))


if __name__ == "__main__":
    main(sys.argv[1:])
