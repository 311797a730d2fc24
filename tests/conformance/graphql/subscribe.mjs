// A stock graphql-ws client against $URL: one JSON line for each thing it heard.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const say = (line) => console.log(JSON.stringify(line));
const client = createClient({
  url: `${process.env.URL.replace("http", "ws")}/graphql`,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${process.env.TOKEN}` },
});

// A query goes the same way, and an error of validation ends its operation alone.
for await (const { data } of client.iterate({ query: "{ ledger { size } }" })) say({ query: data.ledger.size });
try {
  for await (const _ of client.iterate({ query: "{ nothing }" }));
} catch (errors) {
  say({ error: errors[0].extensions.code });
}

// Entries after the first; the connection is cut in the middle and goes on by the last index.
let last = 0;
const enough = Number(process.env.ENTRIES);
for (const cut of [Math.floor(enough / 2), enough]) {
  const query = "subscription ($after: Long) { events(after: $after) { index type } }";
  for await (const { data } of client.iterate({ query, variables: { after: last } })) {
    say({ entry: data.events.index });
    last = data.events.index;
    if (last + 1 >= cut) break;
  }
  client.terminate();
}
await client.dispose();
