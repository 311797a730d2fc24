"use strict";
const by = (id) => document.getElementById(id);
const make = (tag, text) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  return element;
};
const SVG = "http://www.w3.org/2000/svg";
const draw = (tag, attributes, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// --- examples -------------------------------------------------------------
// The queries of `seeds/demo/queries`; a test holds the two against each other.
const daysAgo = (days) => new Date(Date.now() - days * 86400000).toISOString();
const EXAMPLES = [
  ["Where do the numbers of the board's page come from?", `query WhereFrom {
  lineage(
    from: [{ dataset: { namespace: "bi://reports.shop.example.org", name: "finance/Revenue by day" } }]
    options: { direction: UPSTREAM, depth: 20 }
  ) {
    nodes { id kind namespace name depth }
    edges { from to kind }
    completeness { status nodesVisited edgesVisited frontier }
    asOf { validAt ledgerSize rootHash }
  }
}`, {}],
  ["Where do customers' e-mail addresses go, column by column, and where are they hidden?", `query WhereDoesAnAddressGo {
  lineage(
    from: [{ field: { namespace: "studio://shop.example.org", dataset: "order-form/orders", field: "email" } }]
    options: { direction: DOWNSTREAM, depth: 20, level: FIELD }
  ) {
    nodes { id kind namespace name depth }
    edges { from to kind transformations { type subtype masking } }
    completeness { status reasons nodesVisited }
  }
}`, {}],
  ["What did the payments table hang on before and after it was renamed?", `query BeforeTheRename($before: DateTime!, $after: DateTime!) {
  before: lineage(
    from: [{ dataset: { namespace: "snowflake://shop-eu1", name: "RAW.SHOP.PAYMENT_LINES" } }]
    options: { direction: BOTH, depth: 2 }
    asOf: { validAt: $before }
  ) { nodes { id kind namespace name depth aliases { name } } edges { from to } completeness { status prunedByTime } }
  after: lineage(
    from: [{ dataset: { namespace: "snowflake://shop-eu1", name: "RAW.SHOP.PAYMENTS" } }]
    options: { direction: BOTH, depth: 2 }
    asOf: { validAt: $after }
  ) { nodes { id kind namespace name depth aliases { name } } edges { from to } completeness { status prunedByTime } }
}`, { before: daysAgo(50), after: daysAgo(40) }],
  ["Which loads and tests failed lately, and what did they say?", `query WhatFailed {
  loads: artifact(ref: { job: { namespace: "airflow://etl.shop.example.org", name: "nightly.load_payments" } }) {
    runs(first: 30) { runId state startedAt endedAt facets { name json } }
  }
  tests: artifact(ref: { job: { namespace: "dbt://shop", name: "shop.test.fct_orders" } }) {
    runs(first: 10) { runId state startedAt endedAt inputFacets { dataset { name } name json } }
  }
}`, {}],
  ["What is there? The first page of the catalog.", `query Catalog($first: Int) {
  artifacts(first: $first) {
    edges { cursor node { id kind namespace name } }
    pageInfo { hasNextPage endCursor }
  }
}`, { first: 20 }],
  ["What does the ledger say? Its head, and some entries with their parts.", `query LedgerEntries($first: Int) {
  ledger { origin size rootHash checkpoint }
  events(first: $first) {
    edges { node { index type time recordedAt source leafHash parts { class state commitment } } }
    pageInfo { hasNextPage endCursor }
  }
}`, { first: 5 }],
  ["Is an event really in the log? A proof that needs no trust in this server.", `query Proof($index: Long!) {
  event(index: $index) { index type leaf leafHash proof { size hashes tlogProof } }
  ledger { vkey checkpoint }
}`, { index: 0 }],
];

// --- asking ---------------------------------------------------------------
async function ask(query, variables) {
  const response = await fetch("graphql", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json",
      ...(by("token").value ? { authorization: `Bearer ${by("token").value.trim()}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
    credentials: "omit",
  });
  const size = response.headers.get("ledger-size");
  const text = await response.text();
  try {
    return { status: response.status, size, json: JSON.parse(text) };
  } catch {
    return { status: response.status, size, text };
  }
}

function say(text, kind) {
  by("state").textContent = text;
  by("state").className = kind || "";
}

async function run() {
  let variables;
  try {
    variables = JSON.parse(by("variables").value.trim() || "{}");
  } catch (error) {
    say(`The variables are not JSON: ${error.message}`, "bad");
    by("variables").focus();
    return;
  }
  say("Asking …");
  by("drawings").replaceChildren();
  const began = performance.now();
  try {
    const answer = await ask(by("query").value, variables);
    const took = Math.round(performance.now() - began);
    const errors = answer.json?.errors ?? [];
    const on = answer.size ? `, ledger size ${answer.size}` : "";
    if (errors.length) say(errors.map((e) => `${e.extensions?.code ?? "Error"}: ${e.message}`).join(" · "), "bad");
    else if (answer.status >= 400) say(`The server answered ${answer.status}.`, "bad");
    else say(`Answered in ${took} ms${on}.`, "good");
    if (answer.size) by("head").textContent = `Ledger size ${answer.size}`;
    by("result").textContent = answer.json ? JSON.stringify(answer.json, null, 2) : answer.text;
    for (const [name, lineage] of lineages(answer.json?.data)) drawLineage(name, lineage);
  } catch (error) {
    say(`The server cannot be reached: ${error.message}`, "bad");
  }
}

// --- drawing --------------------------------------------------------------
// Every object of the answer that is a lineage, by the name it has there.
function lineages(data) {
  return Object.entries(data ?? {}).filter(([, v]) => Array.isArray(v?.nodes) && Array.isArray(v?.edges) && v.completeness);
}

function drawLineage(name, { nodes, edges, completeness }) {
  const box = make("div");
  box.append(make("h3", `${name}: ${nodes.length} nodes, ${edges.length} edges, ${completeness.status ?? "?"}`));
  by("drawings").append(box);
  if (!nodes.length || nodes.some((n) => !n.id)) {
    box.append(make("p", "To draw it, ask for the nodes' id, and the edges' from and to."));
    return;
  }
  if (nodes.length > 400) {
    box.append(make("p", "Too large to draw; the answer below holds all of it."));
    return;
  }
  const layer = layers(nodes, edges);
  const columns = Array.from({ length: Math.max(...layer.values()) + 1 }, () => []);
  for (const node of nodes) columns[layer.get(node.id)].push(node);
  const W = 230, H = 46, GAP_X = 70, GAP_Y = 14;
  const place = new Map();
  const tallest = Math.max(...columns.map((c) => c.length));
  columns.forEach((column, x) => {
    // Near what it comes from, so that fewer lines cross.
    const middle = (node) => {
      const from = edges.filter((e) => e.to === node.id && place.has(e.from)).map((e) => place.get(e.from).y);
      return from.length ? from.reduce((a, b) => a + b, 0) / from.length : 0;
    };
    column.sort((a, b) => middle(a) - middle(b));
    const top = ((tallest - column.length) * (H + GAP_Y)) / 2;
    column.forEach((node, y) => place.set(node.id, { x: 10 + x * (W + GAP_X), y: 10 + top + y * (H + GAP_Y) }));
  });
  const width = 20 + columns.length * (W + GAP_X) - GAP_X, height = 20 + tallest * (H + GAP_Y) - GAP_Y;
  const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name}: drawing of ${nodes.length} nodes; the same as text below` });
  svg.append(draw("defs", {}, draw("marker", { id: "tip", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" }, draw("path", { d: "M0 0 8 4 0 8z" }))));
  for (const edge of edges) {
    const a = place.get(edge.from), b = place.get(edge.to);
    if (!a || !b || edge.from === edge.to) continue;
    const x1 = a.x + W, y1 = a.y + H / 2, x2 = b.x, y2 = b.y + H / 2, bend = Math.max(30, Math.abs(x2 - x1) / 2);
    svg.append(draw("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, "marker-end": "url(#tip)" }));
  }
  for (const node of nodes) {
    const { x, y } = place.get(node.id);
    const full = node.name ?? "(restricted)";
    const short = full.length > 24 ? `…${full.slice(-23)}` : full;
    const title = draw("title", {});
    title.textContent = [node.kind, node.namespace, full].filter(Boolean).join("\n");
    const label = draw("text", { x: x + 10, y: y + 20 });
    label.textContent = short;
    const kind = draw("text", { x: x + 10, y: y + 36, class: "kind" });
    kind.textContent = node.kind ?? "";
    svg.append(draw("g", { class: node.depth === 0 ? "start" : "node" }, title, draw("rect", { x, y, width: W, height: H, rx: 5 }), label, kind));
  }
  const frame = make("div");
  frame.className = "drawing";
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", `${name}, drawing`);
  frame.append(svg);
  box.append(frame);
}

// The longest way from a node without predecessors, cycles cut where they close.
function layers(nodes, edges) {
  const next = new Map(nodes.map((n) => [n.id, []]));
  for (const { from, to } of edges) if (from !== to && next.has(from) && next.has(to)) next.get(from).push(to);
  const order = [], seen = new Map();
  const back = new Set();
  for (const { id } of nodes) {
    if (seen.has(id)) continue;
    const stack = [[id, 0]];
    seen.set(id, 1);
    while (stack.length) {
      const top = stack.at(-1), to = next.get(top[0])[top[1]++];
      if (to === undefined) {
        seen.set(top[0], 2);
        order.push(top[0]);
        stack.pop();
      } else if (!seen.has(to)) {
        seen.set(to, 1);
        stack.push([to, 0]);
      } else if (seen.get(to) === 1) back.add(`${top[0]} ${to}`);
    }
  }
  const layer = new Map(nodes.map((n) => [n.id, 0]));
  for (const id of order.reverse())
    for (const to of next.get(id)) if (!back.has(`${id} ${to}`)) layer.set(to, Math.max(layer.get(to), layer.get(id) + 1));
  // What nothing leads to stands right before what it leads to.
  const reached = new Set(edges.map((e) => e.to));
  for (const { id } of nodes) {
    const after = next.get(id).map((to) => layer.get(to));
    if (!reached.has(id) && after.length) layer.set(id, Math.max(0, Math.min(...after) - 1));
  }
  return layer;
}

// --- schema ---------------------------------------------------------------
const TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
const INTROSPECTION = `{ __schema { types { kind name description enumValues { name } inputFields { name type { ${TYPE} } } fields { name description args { name type { ${TYPE} } } type { ${TYPE} } } } } }`;
const written = (t) => (t.kind === "NON_NULL" ? `${written(t.ofType)}!` : t.kind === "LIST" ? `[${written(t.ofType)}]` : t.name);
let types = null;

async function loadSchema() {
  if (types) return;
  const answer = await ask(INTROSPECTION, {}).catch(() => null);
  const found = answer?.json?.data?.__schema?.types;
  if (!found) {
    by("types").replaceChildren(make("p", answer?.json?.errors?.[0]?.message ?? "The schema cannot be read with this token."));
    return;
  }
  const first = ["Query", "Mutation", "Subscription"];
  const rank = (t) => (first.includes(t.name) ? first.indexOf(t.name) : 9);
  types = found.filter((t) => !t.name.startsWith("__")).sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  showSchema();
}

function showSchema() {
  const wanted = by("find").value.trim().toLowerCase();
  const shown = [];
  for (const type of types ?? []) {
    const lines = [
      ...(type.fields ?? []).map((f) => [`${f.name}${f.args.length ? `(${f.args.map((a) => `${a.name}: ${written(a.type)}`).join(", ")})` : ""}: ${written(f.type)}`, f.description]),
      ...(type.inputFields ?? []).map((f) => [`${f.name}: ${written(f.type)}`]),
      ...(type.enumValues ?? []).map((v) => [v.name]),
    ];
    const whole = type.name.toLowerCase().includes(wanted);
    const kept = whole ? lines : lines.filter(([text]) => text.toLowerCase().includes(wanted));
    if (!whole && !kept.length) continue;
    const section = make("details");
    section.open = Boolean(wanted) || type.name === "Query";
    section.append(make("summary", `${type.name} (${type.kind.toLowerCase().replace("_", " ")})`));
    if (type.description) section.append(make("p", type.description));
    const list = make("ul");
    for (const [text, description] of kept) {
      const item = make("li");
      item.append(make("code", text));
      if (description) item.append(make("span", ` — ${description}`));
      list.append(item);
    }
    section.append(list);
    shown.push(section);
  }
  by("types").replaceChildren(...(shown.length ? shown : [make("p", "Nothing of that name.")]));
}

// --- beginning ------------------------------------------------------------
EXAMPLES.forEach(([title], i) => by("example").append(new Option(title, String(i))));
const choose = (i) => {
  by("query").value = EXAMPLES[i][1];
  by("variables").value = JSON.stringify(EXAMPLES[i][2], null, 2);
};
by("example").addEventListener("change", (e) => e.target.value !== "" && choose(Number(e.target.value)));
by("token").addEventListener("input", (e) => {
  sessionStorage.setItem("token", e.target.value.trim());
  types = null;
});
by("forget").addEventListener("click", () => {
  sessionStorage.removeItem("token");
  by("token").value = "";
  types = null;
  say("The token is forgotten.");
});
by("form").addEventListener("submit", (e) => {
  e.preventDefault();
  run();
});
by("form").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    run();
  }
});
by("schema").addEventListener("toggle", () => by("schema").open && loadSchema());
by("find").addEventListener("input", showSchema);
by("token").value = sessionStorage.getItem("token") ?? "";
choose(0);
