"""The stock OpenLineage client for Python, unchanged, against a real server: every
event class, every facet class, both HTTP transports, with and without gzip."""

import enum
import importlib
import inspect
import json
import pathlib
import sys
import types
import typing
from datetime import datetime, timedelta, timezone

import attr
import openlineage.client.generated as generated
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import DatasetEvent, InputDataset, Job, JobEvent, OutputDataset, Run, RunEvent, RunState, StaticDataset
from openlineage.client.generated import base, column_lineage_dataset, schema_dataset
from openlineage.client.serde import Serde
from openlineage.client.uuid import generate_new_uuid

from server import Checks, Server

PRODUCER = "https://example.org/conformance/1.0.0"
NAMESPACE = "postgres://db.example.org:5432"
BEGAN = datetime.now(timezone.utc) - timedelta(hours=1)


def at(minute):
    return (BEGAN + timedelta(minutes=minute)).isoformat()


def modules():
    folder = pathlib.Path(generated.__file__).parent
    for file in sorted(folder.glob("[a-z]*.py")):
        yield importlib.import_module(f"{generated.__name__}.{file.stem}")


def facets_of(kind):
    """Every facet class of a kind, by the name under which it is sent."""
    found = {}
    for module in modules():
        for name, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == module.__name__ and issubclass(cls, kind) and cls is not kind:
                suffix = kind.__name__
                stem = name.removesuffix(suffix)
                found[stem[0].lower() + stem[1:]] = cls
    return found


def value(annotation, name, module, depth=0):
    """A value that fits a field: by its type, and where that says too little by its name."""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        annotation = eval(annotation, vars(module))  # noqa: S307: the client's own annotations
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is str or annotation is typing.Any:
        if name.endswith(("Time", "Date")) or name in ("lastUpdated", "timestamp"):
            return at(0)
        if name == "runId":
            return str(generate_new_uuid())
        if "ri" in name.lower() and name.lower().endswith(("uri", "url")):
            return "https://example.org/x"
        if name == "lifecycleStateChange":
            return "ALTER"
        return f"some {name}"
    if annotation is bool:
        return True
    if annotation is int:
        return 42
    if annotation is float:
        return 0.25
    if origin in (typing.Union, types.UnionType):
        return value(next(a for a in args if a is not type(None)), name, module, depth)
    if origin is typing.Literal:
        return args[0]
    if origin is list:
        return [value(args[0], name.removesuffix("s"), module, depth + 1)] if depth < 4 else []
    if origin is dict:
        return {"some_key": value(args[1], name.removesuffix("s"), module, depth + 1)} if depth < 4 else {}
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return next(iter(annotation))
    if inspect.isclass(annotation) and attr.has(annotation):
        return make(annotation, depth + 1)
    raise TypeError(f"no value for {annotation} {name}")


def make(cls, depth=0):
    module = sys.modules[cls.__module__]
    given = {}
    for field in attr.fields(cls):
        if field.init and not field.name.startswith("_") and (depth < 3 or field.default is attr.NOTHING):
            given[field.name] = value(field.type, field.name, module, depth)
    return cls(**given)


def made(kind):
    return {name: make(cls) for name, cls in facets_of(kind).items()}


def as_json(event):
    return json.loads(Serde.to_json(event))


def client(server, **transport):
    """A client as its configuration makes it; nothing of it is ours."""
    auth = {"type": "api_key", "apiKey": server.engineer}
    return OpenLineageClient(config={"transport": {"url": server.url, "auth": auth, **transport}})


def run_event(state, run, job, minute, **more):
    return RunEvent(eventTime=at(minute), producer=PRODUCER, eventType=state, run=run, job=job, **more)


def every_facet(server, checks):
    """One run whose events carry each facet class of the client at once."""
    facets = {kind: made(kind) for kind in (base.RunFacet, base.JobFacet, base.DatasetFacet, base.InputDatasetFacet, base.OutputDatasetFacet)}
    of_dataset = facets[base.DatasetFacet]
    # What would end or rename the dataset is sent by itself below.
    of_dataset.pop("lifecycleStateChange", None)
    of_dataset.pop("symlinks", None)
    # One that fits the names used here, so that it acts.
    source = column_lineage_dataset.InputField(namespace=NAMESPACE, name="shop.public.orders", field="amount")
    of_dataset["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(fields={"total": column_lineage_dataset.Fields(inputFields=[source])})
    of_dataset["schema"] = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(name="total", type="numeric")])
    run_id = str(generate_new_uuid())
    job = Job(namespace="conformance", name="every facet", facets=facets[base.JobFacet])
    given = InputDataset(namespace=NAMESPACE, name="shop.public.orders", inputFacets=facets[base.InputDatasetFacet])
    got = OutputDataset(namespace=NAMESPACE, name="shop.public.totals", facets=of_dataset, outputFacets=facets[base.OutputDatasetFacet])
    with_everything = run_event(RunState.COMPLETE, Run(runId=run_id, facets=facets[base.RunFacet]), job, 9, inputs=[given], outputs=[got])
    client(server, type="http").emit(with_everything)
    sent = as_json(with_everything)

    count = sum(len(f) for f in facets.values())
    checks.true(f"the client has at least 30 facet classes, here {count}", count >= 30)
    answer = server.ask(
        """query($run: ID!, $out: ArtifactRef!, $job: ArtifactRef!) {
          run(runId: $run) { state inputs { name } outputs { name } facets { name json } inputFacets { name json } outputFacets { name json } }
          out: artifact(ref: $out) { facets { name state json } schema { fields { path type } } }
          job: artifact(ref: $job) { facets { name state json } }
        }""",
        run=run_id,
        out={"dataset": {"namespace": NAMESPACE, "name": "shop.public.totals"}},
        job={"job": {"namespace": "conformance", "name": "every facet"}},
    )
    checks.equal("the run is complete", answer["run"]["state"], "COMPLETE")
    for what, held, wanted in [
        ("run", answer["run"]["facets"], sent["run"]["facets"]),
        ("input", answer["run"]["inputFacets"], sent["inputs"][0]["inputFacets"]),
        ("output", answer["run"]["outputFacets"], sent["outputs"][0]["outputFacets"]),
        ("job", answer["job"]["facets"], sent["job"]["facets"]),
        ("dataset", answer["out"]["facets"], sent["outputs"][0]["facets"]),
    ]:
        names = {f["name"] for f in held}
        checks.equal(f"every {what} facet is known by name", sorted(set(wanted) - names), [])
        for facet in held:
            if facet["name"] in wanted and facet.get("state", "OPEN") == "OPEN" and facet["name"] != "ownership":
                checks.equal(f"the {what} facet `{facet['name']}` reads as sent", facet["json"], wanted[facet["name"]])
    checks.equal("the schema acts", answer["out"]["schema"][0]["fields"], [{"path": "total", "type": "numeric"}])
    return sent


def states(server, checks):
    """A run's states through each transport and compression."""
    for kind in ("http", "async_http"):
        for compression in (None, "gzip"):
            name = f"{kind} {compression or 'plain'}"
            options = {"type": kind} | ({"compression": compression} if compression else {})
            stock = client(server, **options)
            ends = {end: str(generate_new_uuid()) for end in (RunState.COMPLETE, RunState.FAIL, RunState.ABORT)}
            job = Job(namespace="conformance", name=name)
            orders = InputDataset(namespace=NAMESPACE, name="shop.public.orders")
            daily = OutputDataset(namespace=NAMESPACE, name=f"shop.public.{kind}")
            for n, (end, run_id) in enumerate(ends.items()):
                run = Run(runId=run_id)
                stock.emit(run_event(RunState.START, run, job, n * 3, inputs=[orders]))
                stock.emit(run_event(RunState.RUNNING, run, job, n * 3 + 1))
                stock.emit(run_event(end, run, job, n * 3 + 2, outputs=[daily]))
            stock.close(timeout=30)
            for end, run_id in ends.items():
                run = server.ask("query($id: ID!) { run(runId: $id) { state events { index } inputs { name } outputs { name } job { name } } }", id=run_id)["run"]
                checks.equal(f"{name}: a run that ended with {end.value}", run and run["state"], end.value)
                checks.equal(f"{name}: its three events are kept", run and len(run["events"]), 3)
                checks.equal(f"{name}: it read", run and run["inputs"], [{"name": "shop.public.orders"}])


def design_time(server, checks):
    stock = client(server, type="http", compression="gzip")
    stock.emit(
        JobEvent(
            eventTime=at(20),
            producer=PRODUCER,
            job=Job(namespace="conformance", name="by hand"),
            inputs=[InputDataset(namespace=NAMESPACE, name="shop.public.totals")],
            outputs=[OutputDataset(namespace="s3://exports", name="totals")],
        )
    )
    schema = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(name="sum", type="double")])
    stock.emit(DatasetEvent(eventTime=at(21), producer=PRODUCER, dataset=StaticDataset(namespace="s3://exports", name="totals", facets={"schema": schema})))
    answer = server.ask(
        """query($from: ArtifactRef!) {
          lineage(from: [$from], options: { direction: UPSTREAM, depth: 10 }) { nodes { kind name depth } completeness { status } }
          artifact(ref: $from) { schema { fields { path type } } }
        }""",
        **{"from": {"dataset": {"namespace": "s3://exports", "name": "totals"}}},
    )
    nodes = [(n["depth"], n["kind"], n["name"]) for n in answer["lineage"]["nodes"]]
    wanted = [(0, "DATASET", "totals"), (1, "JOB", "by hand"), (2, "DATASET", "shop.public.totals"), (3, "JOB", "every facet"), (4, "DATASET", "shop.public.orders")]
    checks.equal("a job event's flow and a run's are one lineage", nodes, wanted)
    checks.equal("the walk is complete", answer["lineage"]["completeness"]["status"], "COMPLETE")
    checks.equal("a dataset event's schema acts", answer["artifact"]["schema"], [{"fields": [{"path": "sum", "type": "double"}]}])


def columns(server, checks):
    answer = server.ask(
        """{ lineage(from: [{ field: { namespace: "postgres://db.example.org:5432", dataset: "shop.public.totals", field: "total" } }],
                options: { direction: UPSTREAM, depth: 3, level: FIELD }) { nodes { name depth } } }"""
    )
    nodes = [(n["depth"], n["name"]) for n in answer["lineage"]["nodes"]]
    checks.equal("column lineage", nodes, [(0, "shop.public.totals.total"), (1, "shop.public.orders.amount")])


def refusals(server, checks):
    """What the client tells its user when we refuse."""
    bad = OpenLineageClient(config={"transport": {"type": "http", "url": server.url, "auth": {"type": "api_key", "apiKey": "ll_wrong"}}})
    run = Run(runId=str(generate_new_uuid()))
    try:
        bad.emit(run_event(RunState.START, run, Job(namespace="conformance", name="refused"), 1))
        checks.true("a wrong key raises in the client", False)
    except Exception as error:  # noqa: BLE001: which class is the client's business
        checks.true(f"a wrong key raises in the client: {type(error).__name__}", "401" in str(error))
    answer = server.ask("query($id: ID!) { run(runId: $id) { state } }", id=run.runId)
    checks.equal("a refused event leaves nothing", answer["run"], None)


def main():
    checks = Checks("openlineage-python")
    with Server() as server:
        every_facet(server, checks)
        states(server, checks)
        design_time(server, checks)
        columns(server, checks)
        refusals(server, checks)
        checks.equal("the server drains and exits", server.close(), 0)
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
