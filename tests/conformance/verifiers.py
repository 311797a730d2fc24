"""Verifiers that nobody of this project wrote, against a growing log over HTTP: tessera's
`fsck` (every tile, every bundle, the root), Go's `note` and `tlog` (signatures, proofs), and
`docs/examples/verify_event.py` (openings). Needs FSCK and GOVERIFY, as `scripts/conformance` builds them."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from server import HERE, Checks, Server

SIZES = [1, 255, 256, 257, 3122, 70_000]
BATCH = 500
EXAMPLE = HERE.parent.parent / "docs" / "examples" / "verify_event.py"


def event(n):
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2026-01-{n // 86400 % 28 + 1:02}T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z",
        "run": {"runId": f"0194bb3e-4a00-7000-8000-{n:012x}"},
        "job": {"namespace": "conformance", "name": f"job {n % 7}"},
        "inputs": [{"namespace": "postgres://db:5432", "name": "a"}],
        "outputs": [{"namespace": "postgres://db:5432", "name": "b"}],
        "producer": "https://example.org/conformance/1.0.0",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def grow(server, size, to):
    for first in range(size, to, BATCH):
        lines = "\n".join(json.dumps(event(n)) for n in range(first, min(first + BATCH, to)))
        answer = server.post("/api/v1/lineage/batch", lines.encode(), "application/x-ndjson")
        if answer["summary"]["successful"] != answer["summary"]["received"]:
            raise SystemExit(f"refused: {answer}")


def checkpoint(server, size):
    """The first checkpoint that covers `size` entries, and how long it took to come."""
    began = time.monotonic()
    while True:
        text = server.get("/ledger/checkpoint").decode()
        if int(text.split("\n")[1]) >= size:
            return text, time.monotonic() - began
        time.sleep(0.02)


def fsck(server, folder, *more):
    """tessera's fsck; it exits with 0 whatever it found, so its words are read."""
    command = [os.environ["FSCK"], f"--storage_url={server.url}/ledger/", f"--public_key={folder / 'vkey'}", f"--bearer_token={server.auditor}", "--ui=false", *more]
    ran = subprocess.run(command, capture_output=True, text=True)
    return ran.stdout + ran.stderr


def with_go(folder, question):
    ran = subprocess.run([os.environ["GOVERIFY"], folder / "vkey"], input=json.dumps(question), capture_output=True, text=True)
    return ran.stdout.strip() + ran.stderr


def with_example(folder, *files):
    ran = subprocess.run([sys.executable, EXAMPLE, *(folder / f for f in files)], capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


def proofs(server, indexes):
    """Inclusion proofs as `.tlog-proof` files, with the checkpoint that they lead to."""
    entries, head = [], None
    for index in indexes:
        body, _, head = server.get(f"/ledger/proof/{index}").decode().partition("\n\n")
        answer = server.ask("query($i: Long!) { event(index: $i) { leafHash } }", i=index)
        entries.append({"index": index, "leafHash": answer["event"]["leafHash"], "hashes": body.split("\n")[2:]})
    return entries, head


def main():
    checks = Checks("verifiers")
    with Server("auditor", "producer") as server, tempfile.TemporaryDirectory(prefix="verifiers-") as folder:
        folder = pathlib.Path(folder)
        (folder / "vkey").write_bytes(server.get("/ledger/vkey"))
        size, older = 1, None
        for to in SIZES:
            grow(server, size, to)
            size = to
            head, waited = checkpoint(server, size)
            checks.true(f"the checkpoint of {size} entries comes within two seconds, here {waited:.2f}", waited < 2)
            checks.true(f"fsck at {size}", f"Successfully fsck'd log with size {size} " in fsck(server, folder))
            indexes = sorted({0, size // 2, max(0, size - 2), size - 1} | {i for i in (254, 255, 256) if i < size})
            entries, covering = proofs(server, indexes)
            question = {"checkpoint": covering, "entries": entries}
            if older:
                at = int(older.split("\n")[1])
                (folder / "consistency").write_bytes(server.get(f"/ledger/consistency?from={at}&to={size}"))
                question |= {"older": older, "consistency": json.loads((folder / "consistency").read_bytes())["hashes"]}
            checks.equal(f"note and tlog at {size}", with_go(folder, question), f"verified {size}")
            bent = json.loads(json.dumps(question))
            bent["entries"][0]["leafHash"] = "A" * 43 + "="
            checks.true(f"and they refuse a bent leaf at {size}", "wrong: entry" in with_go(folder, bent))
            for index in indexes:
                (folder / "proof").write_bytes(server.get(f"/ledger/proof/{index}"))
                (folder / "opening").write_bytes(server.get(f"/ledger/opening/{index}"))
                files = ["vkey", "proof", "opening"]
                if older:
                    (folder / "older").write_text(older)
                    files += ["older", "consistency"]
                code, said = with_example(folder, *files)
                checks.true(f"the example on entry {index} of {size}: {said}", code == 0 and f"entry {index} is in the log of {size} entries" in said)
            older = head

        # A slow reader while the log grows under it: tiles that its checkpoint covers must stay.
        stop = threading.Event()

        def feed():
            n = size
            while not stop.is_set():
                grow(server, n, n + 40)
                n += 40

        feeder = threading.Thread(target=feed)
        feeder.start()
        said = fsck(server, folder, "--qps=120")
        stop.set()
        feeder.join()
        checks.true(f"fsck beside a writer: {said[-300:]}", "Successfully fsck'd" in said)
        grown = server.ask("{ ledger { size } }")["ledger"]["size"]
        checks.true(f"the log had grown meanwhile, to {grown}", grown > size)
        checks.equal("the server drains and exits", server.close(), 0)
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
