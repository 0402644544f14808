// npm's graphql-ws as its users have it, against a real server. What only the server's side can do
// (bids, restarts) is asked for by a line on stdout and answered by a line on stdin.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { all, BIDS, numbers, PLACE, some } from "./results.mjs";

let [url, auction, token] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function want(what) {
  process.stdout.write(`${JSON.stringify({ want: what })}\n`);
  return JSON.parse((await lines.next()).value);
}

/** A client, with what it said of its connection. */
function client(options = {}) {
  const heard = [];
  const made = createClient({ url: () => url, webSocketImpl: WebSocket, retryAttempts: 0, ...options });
  for (const event of ["connecting", "opened", "connected", "closed", "ping", "pong", "error"])
    made.on(event, (...args) => heard.push([event, ...args]));
  const times = (event) => heard.filter(([name]) => name === event).length;
  return { ...made, heard, times };
}

/** Where the auction's stream stands. */
async function cursor() {
  const { iterate, dispose } = client();
  const query = `query ($id: ID!) { auction(id: $id) { eventCursor bidCount } }`;
  const [{ data }] = await all(iterate({ query, variables: { id: auction } }));
  await dispose();
  return [data.auction.eventCursor, data.auction.bidCount];
}

async function until(condition) {
  for (let n = 0; n < 500 && !condition(); n++) await sleep(10);
  assert.ok(condition());
}

const CASES = {
  "a lazy client connects for its first operation and leaves after its last": async () => {
    const { heard, iterate, times } = client();
    await sleep(20);
    assert.deepEqual(heard, []);
    assert.deepEqual(await all(iterate({ query: "{ __typename }" })), [{ data: { __typename: "Query" } }]);
    await until(() => times("closed") === 1);
    assert.equal(heard.find(([event]) => event === "closed")[1].code, 1000);
  },
  "one that is not lazy connects at once": async () => {
    const { dispose, times } = client({ lazy: false, onNonLazyError: () => {} });
    await until(() => times("connected") === 1);
    await dispose();
  },
  "variables and the operation's name": async () => {
    const { iterate } = client();
    const query = `query A { __typename } query B($ids: [ID!]!) { nodes(ids: $ids) { id } }`;
    const asked = { query, variables: { ids: [auction] }, operationName: "B" };
    assert.deepEqual(await all(iterate(asked)), [{ data: { nodes: [{ id: auction }] } }]);
  },
  "a mutation, signed in by what connectionParams promises": async () => {
    const { iterate } = client({ connectionParams: async () => ({ authorization: `Bearer ${token}` }) });
    const input = { auctionId: auction, maximum: "2.00", idempotencyKey: "by socket" };
    const [{ data }] = await all(iterate({ query: PLACE, variables: { input } }));
    assert.equal(data.placeBid.__typename, "PlaceBidSuccess");
  },
  "signed in by the headers that a gateway sends on": async () => {
    const { iterate } = client({ connectionParams: { headers: { authorization: `Bearer ${token}` } } });
    const query = `query ($id: ID!) { auction(id: $id) { viewerMaximum { amount } } }`;
    const [{ data }] = await all(iterate({ query, variables: { id: auction } }));
    assert.deepEqual(data.auction.viewerMaximum, { amount: "2.00" });
  },
  "bad credentials close the socket as forbidden": async () => {
    const { iterate } = client({ connectionParams: { authorization: "Bearer forged" } });
    await assert.rejects(all(iterate({ query: "{ __typename }" })), { code: 4403, reason: "Forbidden" });
  },
  "what cannot run is thrown, and the socket goes on": async () => {
    const { dispose, iterate, times } = client({ lazyCloseTimeout: 10_000 });
    for (const query of ["{ ", "{ nothing }", "subscription { nothing }"]) {
      const [error] = await all(iterate({ query })).catch((errors) => errors);
      assert.equal(error.extensions.code, "BAD_USER_INPUT");
    }
    await all(iterate({ query: "{ __typename }" }));
    assert.equal(times("opened"), 1);
    await dispose();
  },
  "an error of execution is in the result": async () => {
    const { iterate } = client();
    const query = "mutation { signOut(input: {}) { __typename } }";
    const [{ data, errors }] = await all(iterate({ query }));
    assert.equal(data, null);
    assert.equal(errors[0].extensions.code, "UNAUTHENTICATED");
  },
  "a hundred queries at once on one socket": async () => {
    const { iterate, times } = client();
    const asked = Array.from({ length: 100 }, (_, n) => all(iterate({ query: `{ a${n}: __typename }` })));
    (await Promise.all(asked)).forEach(([{ data }], n) => assert.deepEqual(data, { [`a${n}`]: "Query" }));
    assert.equal(times("opened"), 1);
  },
  "extensions go there and come back": async () => {
    const { iterate } = client();
    const [{ extensions }] = await all(iterate({ query: "{ __typename }", extensions: { plan: true } }));
    assert.ok(extensions.plan);
  },
  "a document is registered and named by its hash": async () => {
    const { dispose, iterate } = client({ lazyCloseTimeout: 10_000 });
    const query = "{ named: __typename }";
    const sha256Hash = createHash("sha256").update(query).digest("hex");
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    const [unknown] = await all(iterate({ query: "", extensions })).catch((errors) => errors);
    assert.equal(unknown.extensions.code, "PERSISTED_QUERY_NOT_FOUND");
    const answer = [{ data: { named: "Query" } }];
    assert.deepEqual(await all(iterate({ query, extensions })), answer);
    assert.deepEqual(await all(iterate({ query: "", extensions })), answer);
    await dispose();
  },
  "our pings are answered": async () => {
    const { dispose, times } = client({ lazy: false, keepAlive: 20, onNonLazyError: () => {} });
    await until(() => times("pong") >= 3);
    await dispose();
  },
  "its pings are answered by us": async () => {
    const { dispose, heard, times } = client({ lazy: false, onNonLazyError: () => {} });
    await until(() => heard.filter(([event, received]) => event === "ping" && received).length >= 3);
    assert.equal(times("closed"), 0);
    await dispose();
  },
  "bids come once and in order, to each who follows": async () => {
    const [after, before] = await cursor();
    const { iterate, times } = client();
    const payload = { query: BIDS, variables: { auction, after } };
    const following = [iterate(payload), iterate(payload), iterate(payload)];
    const told = Promise.all(following.map((each) => some(each, 3)));
    await want({ bids: 3 });
    for (const events of await told) assert.deepEqual(numbers(events), [1, 2, 3].map((n) => before + n));
    assert.equal(times("opened"), 1);
    await Promise.all(following.map((each) => each.return()));
  },
  "who gives up is told nothing more, and others go on": async () => {
    const [after, before] = await cursor();
    const { iterate } = client();
    const payload = { query: BIDS, variables: { auction, after } };
    const [first, second] = [iterate(payload), iterate(payload)];
    await want({ bids: 1 });
    assert.deepEqual(numbers(await some(first, 1)), [before + 1]);
    await first.return();
    await want({ bids: 1 });
    assert.deepEqual(numbers(await some(second, 2)), [before + 1, before + 2]);
    await second.return();
    await want({ follows: 0 });
  },
  "a stream goes on after a restart by its last cursor": async () => {
    const [after, before] = await cursor();
    const retryWait = () => sleep(20);
    const { heard, iterate } = client({ retryAttempts: 1_000, retryWait, shouldRetry: () => true });
    // The client repeats the very object: what stands in it by then is what is asked.
    const payload = { query: BIDS, variables: { auction, after } };
    const seen = [];
    const stream = iterate(payload);
    const follow = async (count) => {
      while (seen.length < count) {
        const [event] = await some(stream, 1);
        payload.variables.after = event.cursor;
        seen.push(event);
      }
    };
    await want({ bids: 2 });
    await follow(2);
    ({ url } = await want({ restart: true, bids: 2 }));
    await follow(4);
    await want({ bids: 1 });
    await follow(5);
    assert.deepEqual(numbers(seen), [1, 2, 3, 4, 5].map((n) => before + n));
    assert.equal(heard.find(([event]) => event === "closed")[1].code, 1012);
    await stream.return();
  },
  "a client that thinks the server gone comes back": async () => {
    const [after, before] = await cursor();
    const { iterate, terminate, times } = client({ retryAttempts: 5, retryWait: () => sleep(20) });
    const payload = { query: BIDS, variables: { auction, after } };
    const stream = iterate(payload);
    await want({ bids: 1 });
    const [event] = await some(stream, 1);
    payload.variables.after = event.cursor;
    terminate();
    await want({ bids: 1 });
    assert.deepEqual(numbers(await some(stream, 1)), [before + 2]);
    assert.equal(times("opened"), 2);
    await stream.return();
  },
};

let fine = 0;
const failed = [];
for (const [name, run] of Object.entries(CASES)) {
  try {
    await Promise.race([run(), sleep(15_000, null, { ref: false }).then(() => assert.fail("too slow"))]);
    fine += 1;
  } catch (error) {
    failed.push(`${name}: ${inspect(error)}`);
  }
}
process.stdout.write(`${JSON.stringify({ fine, of: Object.keys(CASES).length, failed })}\n`);
process.exit(0);
