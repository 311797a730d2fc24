"""dbt's own wrapper `dbt-ol`, unchanged, on a real project against a real server: what the
server answers must follow from the events that dbt sent (it also writes them to files)."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from server import HERE, Checks, Server

TERMINAL = ("COMPLETE", "FAIL", "ABORT")


def dbt_ol(project, server, step, command):
    """Runs one command, and returns the events that it sent, in order."""
    copies = project / "events" / step
    copies.parent.mkdir(exist_ok=True)
    transport = {
        "type": "composite",
        "continue_on_failure": False,
        "transports": {
            "server": {"type": "http", "url": server.url, "auth": {"type": "api_key", "apiKey": server.producer}, "compression": "gzip"},
            "copy": {"type": "file", "log_file_path": str(copies)},
        },
    }
    (project / "openlineage.yml").write_text(json.dumps({"transport": transport}))
    programs = pathlib.Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "DBT_PROFILES_DIR": str(project),
        "OPENLINEAGE_CONFIG": str(project / "openlineage.yml"),
        "OPENLINEAGE_NAMESPACE": "parcels",
        "PARCEL_OFFICE_DB": str(project / "parcels.duckdb"),
    }
    ran = subprocess.run([programs / "dbt-ol", *command], cwd=project, env=environment, capture_output=True, text=True)
    files = sorted(copies.parent.glob(f"{step}-*"))
    if not files or "Traceback" in ran.stdout + ran.stderr:
        raise SystemExit(f"dbt-ol {' '.join(command)} went wrong:\n{ran.stdout}\n{ran.stderr}")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def check_runs(server, checks, events):
    runs = {}
    for event in events:
        runs.setdefault(event["run"]["runId"], []).append(event)
    for run_id, told in runs.items():
        name = told[0]["job"]["name"]
        run = server.ask(
            """query($id: ID!) { run(runId: $id) {
              state startedAt endedAt parentRunId job { namespace name } inputs { namespace name } outputs { namespace name }
              facets { name json } events(first: 200) { index } } }""",
            id=run_id,
        )["run"]
        checks.true(f"the run of {name} is known", run)
        if not run:
            continue
        ended = [e["eventType"] for e in told if e["eventType"] in TERMINAL]
        checks.equal(f"{name}: its state", run["state"], (ended or [told[-1]["eventType"]])[-1])
        checks.equal(f"{name}: its events", len(run["events"]), len(told))
        checks.equal(f"{name}: its job", run["job"], {k: told[0]["job"][k] for k in ("namespace", "name")})
        for side in ("inputs", "outputs"):
            wanted = {(d["namespace"], d["name"]) for e in told for d in e.get(side) or []}
            checks.equal(f"{name}: its {side}", {(d["namespace"], d["name"]) for d in run[side]}, wanted)
        parent = told[0]["run"]["facets"].get("parent")
        checks.equal(f"{name}: its parent", run["parentRunId"], parent and parent["run"]["runId"])
        wanted = {}
        for event in told:
            wanted |= event["run"]["facets"]
        checks.equal(f"{name}: its facets", {f["name"]: f["json"] for f in run["facets"]}, wanted)


def lineage(server, database, table, **options):
    answer = server.ask(
        "query($from: [ArtifactRef!]!, $options: LineageOptions) { lineage(from: $from, options: $options) { nodes { kind name depth } completeness { status } } }",
        **{"from": [{"dataset": {"namespace": database, "name": table}}], "options": options},
    )["lineage"]
    return {n["name"] for n in answer["nodes"] if n["kind"] in ("DATASET", "FIELD")}, answer["completeness"]["status"]


def check_columns(server, checks, events):
    """The latest column lineage of each output, one hop up, against the facets as sent."""
    latest = {}
    for event in events:
        for output in event.get("outputs") or []:
            if "columnLineage" in output.get("facets", {}):
                latest[(output["namespace"], output["name"], event["job"]["name"])] = output["facets"]["columnLineage"]
    checks.true("dbt sent column lineage", latest)
    columns = {}
    for (namespace, name, _), facet in latest.items():
        for column, made in facet["fields"].items():
            fields = {(f["namespace"], f["name"], f["field"]) for f in made["inputFields"]}
            columns.setdefault((namespace, name, column), set()).update(fields)
    # A column walks only while the schema, where somebody has sent one, lists it.
    schemas = {(d["namespace"], d["name"]): {f["name"] for f in d["facets"]["schema"]["fields"]} for e in events for d in [*e["inputs"], *e["outputs"]] if "schema" in d.get("facets", {})}
    alive = lambda namespace, name, column: column in schemas.get((namespace, name), {column})  # noqa: E731
    for (namespace, name, column), sources in columns.items():
        if not alive(namespace, name, column):
            continue
        answer = server.ask(
            """query($from: [ArtifactRef!]!) { lineage(from: $from, options: { direction: UPSTREAM, depth: 1, level: FIELD }) {
                 nodes { depth namespace name } } }""",
            **{"from": [{"field": {"namespace": namespace, "dataset": name, "field": column}}]},
        )["lineage"]
        got = {(n["namespace"], n["name"]) for n in answer["nodes"] if n["depth"] == 1}
        checks.equal(f"what {name}.{column} is made from", got, {(ns, f"{table}.{field}") for ns, table, field in sources if alive(ns, table, field)})
    return columns


def check_assertions(server, checks, events):
    """Assertions read as dbt sent them: of a run as its own view of its input, of a dataset the latest."""
    latest, by_run = {}, {}
    for event in events:
        for dataset in event.get("inputs") or []:
            at = (dataset["namespace"], dataset["name"])
            if facet := dataset.get("facets", {}).get("dataQualityAssertions"):
                latest[at] = facet
            if facet := dataset.get("inputFacets", {}).get("dataQualityAssertions"):
                by_run[(event["run"]["runId"], *at)] = facet
    checks.true("dbt sent assertions of both kinds, and one failed", latest and any(not a["success"] for f in by_run.values() for a in f["assertions"]))
    for (namespace, name), facet in latest.items():
        answer = server.ask(
            'query($ref: ArtifactRef!) { artifact(ref: $ref) { facets(names: ["dataQualityAssertions"]) { json } } }',
            ref={"dataset": {"namespace": namespace, "name": name}},
        )["artifact"]
        checks.equal(f"the assertions on {name}", [f["json"] for f in answer["facets"]], [facet])
    for (run_id, namespace, name), facet in by_run.items():
        run = server.ask("query($id: ID!) { run(runId: $id) { inputFacets { dataset { namespace name } name json } } }", id=run_id)["run"]
        got = [f["json"] for f in run["inputFacets"] if f["name"] == "dataQualityAssertions" and f["dataset"] == {"namespace": namespace, "name": name}]
        checks.equal(f"a run's assertions on {name}", got, [facet])


def main():
    checks = Checks("openlineage-dbt")
    with Server() as server, tempfile.TemporaryDirectory(prefix="parcels-") as folder:
        project = pathlib.Path(folder) / "project"
        shutil.copytree(HERE / "dbt_project", project)
        before = server.ask("{ ledger { size } }")["ledger"]["size"]
        events = []
        for step, command in [
            ("seed", ["seed"]),
            ("run", ["run"]),
            ("test", ["test"]),
            ("build", ["build"]),
            ("logs", ["--consume-structured-logs", "build"]),
            ("logs-run", ["--consume-structured-logs", "run"]),
        ]:
            sent = dbt_ol(project, server, step, command)
            checks.true(f"`{' '.join(command)}` sent events", sent)
            events += sent
        checks.true("a node failed, one was aborted, one passed", {e["eventType"] for e in events} >= set(TERMINAL))
        checks.equal("every event is in the ledger once", server.ask("{ ledger { size } }")["ledger"]["size"] - before, len(events))
        check_runs(server, checks, events)
        check_columns(server, checks, events)
        check_assertions(server, checks, events)

        database = next(d["namespace"] for e in events for d in e["outputs"] if d["name"].endswith("stg_parcels"))
        names = lambda *tables: {f"parcels.main.{t}" for t in tables}  # noqa: E731
        got, status = lineage(server, database, "parcels.main.label_sheet", direction="UPSTREAM", depth=20)
        checks.equal("upstream of what was never built", got, names("label_sheet", "city_labels", "depot_load", "stg_parcels", "depots", "parcels"))
        checks.equal("that walk is complete", status, "COMPLETE")
        got, _ = lineage(server, database, "parcels.main.parcels", direction="DOWNSTREAM", depth=20)
        checks.true("downstream of a seed", names("stg_parcels", "depot_load", "city_labels", "label_sheet") <= got)
        checks.true("never a sibling", not got & names("depots"))

        sql = server.ask(
            "query($ref: ArtifactRef!) { artifact(ref: $ref) { sql raw: sql(raw: true) } }",
            ref={"job": {"namespace": "parcels", "name": "parcels.main.parcel_office.stg_parcels"}},
        )["artifact"]
        checks.true("SQL is shown without its literals", sql["sql"] and "'test'" not in sql["sql"])
        checks.true("and with them to an engineer", sql["raw"] and "'test'" in sql["raw"])
        checks.equal("the server drains and exits", server.close(), 0)
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
