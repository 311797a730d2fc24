"""What GraphQL clients are made with, unchanged, on `schema.graphql` and a real server: Relay's
compiler, a code generator with TypeScript's compiler, a linter with Relay's rules and names, and
the audits of graphql-http. The lists of documents that the two compilers write are given to a
server, which then executes those documents and no others."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from server import HERE, Checks, Server

NEEDED = HERE / "graphql"
SCHEMA = HERE.parent.parent / "schema.graphql"


def installed():
    """The packages, in a folder outside the tree."""
    folder = pathlib.Path(os.environ["CONFORMANCE_NPM"])
    folder.mkdir(parents=True, exist_ok=True)
    wanted, there = NEEDED / "package.json", folder / "package.json"
    if not there.exists() or there.read_text() != wanted.read_text():
        shutil.copy(wanted, there)
        try:
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        except (OSError, subprocess.CalledProcessError):
            there.unlink()
            raise
    return folder / "node_modules"


def tool(checks, folder, name, *arguments):
    ran = subprocess.run([folder / "node_modules/.bin" / name, *arguments], cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        print(ran.stdout + ran.stderr)
    checks.equal(f"{name} accepts the schema", ran.returncode, 0)


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


def registered(checks, folder, documents):
    file = folder / "documents.json"
    file.write_text(json.dumps(documents))
    os.environ["LEDGERLINE_GRAPHQL__DOCUMENTS"] = str(file)
    with Server() as server:
        for name, text in documents.items():
            if text.startswith("query CatalogPageQuery"):
                answer = server.post("/graphql", json.dumps({"documentId": f"sha256:{name}"}).encode())
                checks.equal("a compiled document is executed by its id", answer["data"]["artifacts"]["edges"], [])
        answer = server.post("/graphql", json.dumps({"query": "{ __typename }"}).encode())
        checks.equal("no other document is", answer["errors"][0]["extensions"]["code"], "FORBIDDEN")
    del os.environ["LEDGERLINE_GRAPHQL__DOCUMENTS"]


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
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
