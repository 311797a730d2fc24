"""What GraphQL clients are made with, unchanged, on `schema.graphql` and a real server: Relay's
compiler and lint rules, a code generator with TypeScript's compiler, a linter for schemas with
Relay's rules and names, the audits of graphql-http, and a client of graphql-ws. The lists of
documents that the two compilers write are given to a server, which then executes those documents
and no others."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from server import HERE, Checks, Server

NEEDED = HERE / "graphql"
SCHEMA = HERE.parent.parent / "schema.graphql"


def installed():
    """The packages of the committed lock file, in a folder outside the tree."""
    folder = pathlib.Path(os.environ["CONFORMANCE_NPM"])
    folder.mkdir(parents=True, exist_ok=True)
    wanted, there = NEEDED / "package-lock.json", folder / "package-lock.json"
    if not there.exists() or there.read_text() != wanted.read_text():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NEEDED / name, folder)
        try:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        except (OSError, subprocess.CalledProcessError):
            there.unlink()
            raise
    return folder / "node_modules"


def tool(checks, folder, name, *arguments):
    ran = subprocess.run([folder / "node_modules/.bin" / name, *arguments], cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        print(ran.stdout + ran.stderr)
    checks.equal(f"{name} {arguments[-1] if arguments else ''} accepts the schema", ran.returncode, 0)


def compiled(checks, folder):
    (folder / "made/relay").mkdir(parents=True)
    (folder / "made/relay.json").write_text("{}")
    shutil.copy(SCHEMA, folder)
    tool(checks, folder, "relay-compiler")
    tool(checks, folder, "graphql-codegen", "--config", "codegen.json")
    sources = [str(p) for p in (folder / "made/codegen").glob("*.ts")]
    checks.true("code was generated", len(sources) > 2)
    options = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler", "--module", "esnext", "--target", "es2022"]
    tool(checks, folder, "tsc", *options, *sources)
    # Directives at the end are the specification's own, with arguments that it does not describe.
    ours = SCHEMA.read_text().split('\n"Directs the executor to include')[0]
    (folder / "linted.graphql").write_text(ours)
    tool(checks, folder, "eslint", "--no-eslintrc", "--config", "eslintrc.json", "--ext", ".graphql", "linted.graphql")
    tool(checks, folder, "eslint", "--no-eslintrc", "--config", "relay.eslintrc.json", "--ext", ".ts", "operations")
    lists = [json.loads((folder / f).read_text()) for f in ("made/relay.json", "made/codegen/persisted-documents.json")]
    checks.true("both wrote a list of documents", all(lists))
    return {**lists[0], **lists[1]}


def audited(checks, folder):
    os.environ["LEDGERLINE_GRAPHQL__GET_QUERIES"] = "true"
    with Server() as server:
        environment = {**os.environ, "URL": server.url, "TOKEN": server.engineer}
        ran = subprocess.run(["node", "audit.mjs"], cwd=folder, env=environment, capture_output=True, text=True, check=True)
        results = [json.loads(line) for line in ran.stdout.splitlines()]
        checks.equal("there are 61 audits", len(results), 61)
        for result in results:
            checks.equal(f"audit {result['id']}: {result['name']}: {result.get('reason')}", result["status"], "ok")
    del os.environ["LEDGERLINE_GRAPHQL__GET_QUERIES"]


EVENT = {
    "eventType": "COMPLETE",
    "run": {"runId": "0194bb3e-4a00-7000-8000-000000000001"},
    "job": {"namespace": "jobs", "name": "load"},
    "inputs": [{"namespace": "db", "name": "orders"}],
    "outputs": [{"namespace": "db", "name": "revenue"}],
    "producer": "https://example.org/p",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
}
REVENUE = {"dataset": {"namespace": "db", "name": "revenue"}}


def sent(server, minute):
    event = {**EVENT, "eventTime": f"2026-01-31T06:{minute:02}:00Z"}
    return server.post("/api/v1/lineage", json.dumps(event).encode())["index"]


def registered(checks, folder, documents):
    """Each compiled document by its id, and no other."""
    file = folder / "documents.json"
    file.write_text(json.dumps(documents))
    os.environ["LEDGERLINE_GRAPHQL__DOCUMENTS"] = str(file)
    named = {re.match(r"\w+ (\w+)", text)[1]: key for key, text in documents.items()}
    with Server() as server:
        sent(server, 0)

        def ask(name, **variables):
            body = {"documentId": f"sha256:{named[name]}", "variables": variables}
            answer = server.post("/graphql", json.dumps(body).encode())
            checks.true(f"{name} has no errors: {answer.get('errors')}", "errors" not in answer)
            return answer.get("data") or {}

        nodes = [edge["node"] for edge in ask("CatalogPaginationQuery", count=2)["artifacts"]["edges"]]
        checks.equal("a page of the catalog", [node["name"] for node in nodes], ["orders", "revenue"])
        page = ask("ArtifactPageQuery", ref=REVENUE, options={"direction": "UPSTREAM", "depth": 3})
        checks.equal("lineage of three nodes", [node["name"] for node in page["lineage"]["nodes"]], ["revenue", "load", "orders"])
        checks.equal("the fragment of another component", page["artifact"]["name"], "revenue")
        checks.equal("fetched again by its id", ask("ArtifactCardRefetchQuery", id=nodes[1]["id"])["node"]["name"], "revenue")
        tagged = ask("TagsMutation", input={"artifact": REVENUE, "tags": [{"key": "tier", "value": "gold"}], "reason": "by hand"})
        checks.equal("a mutation has a receipt", tagged["setTags"]["refusal"], None)
        checks.equal("the generated query", ask("Page", ref=REVENUE)["artifact"]["name"], "revenue")
        checks.equal("the generated mutation", ask("Revoke", input={"id": nodes[0]["id"], "reason": "r"})["revokeToken"]["receipt"], None)
        answer = server.post("/graphql", json.dumps({"query": "{ __typename }"}).encode())
        checks.equal("no other document is", answer["errors"][0]["extensions"]["code"], "FORBIDDEN")
    del os.environ["LEDGERLINE_GRAPHQL__DOCUMENTS"]


def subscribed(checks, folder):
    """A client of graphql-ws: a query, an error, entries over a connection that breaks."""
    with Server() as server:
        for minute in range(3):
            last = sent(server, minute)
        environment = {**os.environ, "URL": server.url, "TOKEN": server.engineer, "ENTRIES": str(last + 4)}
        client = subprocess.Popen(["node", "subscribe.mjs"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        heard = []
        for line in client.stdout:
            heard.append(json.loads(line))
            if heard[-1] == {"entry": last}:
                # All there was is heard: these come as they are committed.
                for minute in range(3, 6):
                    sent(server, minute)
        checks.equal("the client ended well", client.wait(), 0)
        wanted = [{"query": last + 1}, {"error": "BAD_USER_INPUT"}, *({"entry": i} for i in range(1, last + 4))]
        checks.equal("each entry came once, in order, over both connections", heard, wanted)


def main():
    checks = Checks("graphql")
    modules = installed()
    with tempfile.TemporaryDirectory(prefix="ledgerline-graphql-") as made:
        folder = pathlib.Path(made) / "project"
        shutil.copytree(NEEDED, folder)
        (folder / "node_modules").symlink_to(modules)
        documents = compiled(checks, folder)
        audited(checks, folder)
        registered(checks, folder, documents)
        subscribed(checks, folder)
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
