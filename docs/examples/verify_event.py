"""Verifies one event of a Ledgerline log with nothing of Ledgerline: SHA-256 and Ed25519.

    python3 verify_event.py VKEY PROOF OPENING [OLD-CHECKPOINT CONSISTENCY]

Files as `/ledger/vkey`, `/ledger/proof/<index>`, `/ledger/opening/<index>`, an earlier
`/ledger/checkpoint` and `/ledger/consistency?from=<its size>&to=<size of the proof>` give them.
Prints what the event says, or what is wrong; exit code 0 or 1.
"""

import base64, hashlib, json, pathlib, sys  # noqa: E401

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

b64 = lambda text: base64.b64decode(text, validate=True)  # noqa: E731
b64u = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))  # noqa: E731
sha256 = lambda *pieces: hashlib.sha256(b"".join(pieces)).digest()  # noqa: E731
leaf_hash = lambda data: sha256(b"\x00", data)  # noqa: E731  RFC 6962, 2.1
node_hash = lambda left, right: sha256(b"\x01", left, right)  # noqa: E731


class Wrong(Exception):
    """What does not hold."""


def need(holds, why):
    if not holds:
        raise Wrong(why)


def tree_hash(leaves):  # RFC 6962, 2.1: split at the largest power of two below the count
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_hash(leaves[:split]), tree_hash(leaves[split:]))


def open_checkpoint(note, vkey):  # C2SP signed-note, tlog-checkpoint
    text, _, signatures = note.rpartition("\n\n")
    name, key_id, key = vkey.strip().split("+", 2)
    key, origin, size, root = b64(key), *(text + "\n").split("\n")[:3]
    need(key[0] == 1 and bytes.fromhex(key_id) == sha256(f"{name}\n".encode(), key)[:4], "the key is not what it says")
    need(origin == name, "the checkpoint is of another log")
    mine = [b64(line.split(" ")[2]) for line in signatures.splitlines() if line.startswith(f"\u2014 {name} ")]
    mine = [s[4:] for s in mine if s[:4].hex() == key_id]
    need(mine, "the checkpoint is not signed with this key")
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(mine[0], f"{text}\n".encode())
    return int(size), b64(root)


def check_inclusion(index, size, leaf, proof, root):  # RFC 9162, 2.1.3.2
    need(index < size, "the checkpoint does not cover the entry")
    n, last, got = index, size - 1, leaf
    for other in proof:
        need(last > 0, "the proof is too long")
        if n & 1 or n == last:
            got = node_hash(other, got)
            while not n & 1 and n:
                n, last = n >> 1, last >> 1
        else:
            got = node_hash(got, other)
        n, last = n >> 1, last >> 1
    need(last == 0 and got == root, "the entry is not in the log at that index")


def check_consistency(old, old_root, new, new_root, proof):  # RFC 9162, 2.1.4.2
    if old == new or old == 0:
        need(not proof and (old == 0 or old_root == new_root), "the log was rewritten")
        return
    proof = proof if old & (old - 1) else [old_root, *proof]
    need(old < new and proof, "the log is shorter than it was")
    n, last = old - 1, new - 1
    while n & 1:
        n, last = n >> 1, last >> 1
    first = second = proof[0]
    for other in proof[1:]:
        need(last > 0, "the proof is too long")
        if n & 1 or n == last:
            first, second = node_hash(other, first), node_hash(other, second)
            while not n & 1 and n:
                n, last = n >> 1, last >> 1
        else:
            second = node_hash(second, other)
        n, last = n >> 1, last >> 1
    need(last == 0 and first == old_root and second == new_root, "the log was rewritten")


def check_opening(opening):  # what the leaf commits to; docs/verify-an-event.md
    leaf = b64u(opening["leaf"])
    commitments = []
    for part in opening["parts"]:
        if part["state"] == "OPEN":
            name = part["class"].encode()
            commitments.append(sha256(b"ledgerline/part/v1\n", bytes([len(name)]), name, b64u(part["salt"]), b64u(part["bytes"])))
        else:  # withheld or destroyed: its commitment is taken as given
            commitments.append(b64u(part["commitment"]))
    need(tree_hash(commitments) == b64u(json.loads(leaf)["root"]), "the parts are not what the leaf commits to")
    return leaf


def main(vkey, proof, opening, old=None, consistency=None):
    opening = json.loads(opening)
    head, _, checkpoint = proof.partition("\n\n")  # C2SP tlog-proof
    kind, *lines = head.split("\n")
    need(kind == "c2sp.org/tlog-proof@v1", "that is no proof")
    lines = [line for line in lines if not line.startswith("extra ")]
    index, hashes = int(lines[0].removeprefix("index ")), [b64(line) for line in lines[1:]]
    size, root = open_checkpoint(checkpoint, vkey)
    need(index == opening["index"], "proof and opening are of two entries")
    check_inclusion(index, size, leaf_hash(check_opening(opening)), hashes, root)
    print(f"entry {index} is in the log of {size} entries, recorded {json.loads(b64u(opening['leaf']))['at']}")
    if old:
        old_size, old_root = open_checkpoint(old, vkey)
        check_consistency(old_size, old_root, size, root, [b64(h) for h in json.loads(consistency)["hashes"]])
        print(f"that log continues the one of {old_size} entries")
    for part in opening["parts"]:
        print(part["class"], part["state"], b64u(part["bytes"]).decode() if part["class"] == "core" and part["state"] == "OPEN" else "")


if __name__ == "__main__":
    try:
        main(*(pathlib.Path(file).read_text(encoding="utf-8") for file in sys.argv[1:]))
    except InvalidSignature:
        sys.exit("wrong: the checkpoint's signature does not verify")
    except Wrong as wrong:
        sys.exit(f"wrong: {wrong}")
