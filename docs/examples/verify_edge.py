"""Verifies every edge of a saved lineage answer with nothing of Ledgerline: SHA-256 and Ed25519.
    python3 verify_edge.py VKEY CHECKPOINT ANSWER
Files as docs/verify-an-edge.md asks for them. Prints a line an edge, or what is wrong; exit code 0 or 1."""
import base64, hashlib, json, pathlib, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

b64 = lambda text: base64.b64decode(text, validate=True)
b64u = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
sha256 = lambda *pieces: hashlib.sha256(b"".join(pieces)).digest()

def need(holds, why):
    holds or sys.exit(f"wrong: {why}")

def open_checkpoint(note, vkey):  # C2SP signed-note: size and root of the log, signed with the key
    text, _, signatures = note.rpartition("\n\n")
    name, key_id, key = vkey.strip().split("+", 2)
    mine = [b64(line.split(" ")[2]) for line in signatures.splitlines() if line.startswith(f"\u2014 {name} ")]
    mine = [s[4:] for s in mine if s[:4] == bytes.fromhex(key_id) == sha256(f"{name}\n".encode(), b64(key))[:4]]
    need(mine and text.split("\n")[0] == name, "the checkpoint is not of the log that has this key")
    try:
        Ed25519PublicKey.from_public_bytes(b64(key)[1:]).verify(mine[0], f"{text}\n".encode())
    except InvalidSignature:
        need(False, "the checkpoint's signature does not verify")
    return int(text.split("\n")[1]), b64(text.split("\n")[2])

def parts_root(leaves):  # RFC 6962, 2.1: split at the largest power of two below the count
    split = len(leaves) > 1 and 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01", parts_root(leaves[:split]), parts_root(leaves[split:])) if split else sha256(b"\x00", leaves[0])

def log_root(at, last, reached, proof):  # RFC 9162, 2.1.3.2: from a leaf's hash to the root
    for other in proof:
        is_right = at & 1 or at == last
        reached = sha256(b"\x01", other, reached) if is_right else sha256(b"\x01", reached, other)
        while is_right and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    return last == 0 and reached

def verified_core(event, size, root):  # what the log holds at that index, in its own words
    core = next(p for p in event["parts"] if p["class"] == "CORE")
    need(core["text"], "a core part is not shown")
    opened = sha256(b"ledgerline/part/v1\n\x04core", b64u(core["salt"]), core["text"].encode())
    need(opened == b64u(core["commitment"]), "a text is not what was committed to")
    need(parts_root([b64u(p["commitment"]) for p in event["parts"]]) == b64u(json.loads(event["leaf"])["root"]), "a leaf has other parts")
    leaf, proof = sha256(b"\x00", event["leaf"].encode()), [b64(h) for h in event["proof"]["hashes"]]
    need(event["index"] < size and log_root(event["index"], size - 1, leaf, proof) == root, "an entry is not in the log")
    return json.loads(core["text"])

vkey, checkpoint, answer = (pathlib.Path(file).read_text(encoding="utf-8") for file in sys.argv[1:])
(size, root), lineage = open_checkpoint(checkpoint, vkey), json.loads(answer)["data"]["lineage"]
names = {n["id"]: {(a["namespace"], a["name"]) for a in [n, *n["aliases"]]} for n in lineage["nodes"]}
for edge in lineage["edges"]:
    dataset, job, side = (edge["from"], edge["to"], "inputs") if edge["kind"] == "USED" else (edge["to"], edge["from"], "outputs")
    need(edge["assertions"], "an edge has no evidence")
    for event in (assertion["event"] for assertion in edge["assertions"]):
        core = verified_core(event, size, root)
        told = {(d["namespace"], d["name"]) for d in core.get(side, [])} & names[dataset]
        need(told and (core["job"]["namespace"], core["job"]["name"]) in names[job], "an event does not say what the edge says")
        print(f"entry {event['index']}: {core['job']['name']} {edge['kind']} {min(told)[1]}")
