// npm's graphql-sse in both of its modes, and npm's meros for multipart, against a real server.
// Bids are placed from here too; the last line of stdout is what came of it.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-sse";
import { meros } from "meros/browser";
import { all, BIDS, numbers, PLACE, some } from "./results.mjs";

const [url, auction, ...tokens] = process.argv.slice(2);
const LOT = `query ($id: ID!) { auction(id: $id) { eventCursor bidCount } }`;
const DEFERRED = `query ($id: ID!) { auction(id: $id) { id ...Rest @defer(label: "rest") } }
  fragment Rest on Auction { status bidCount seller { username } }`;
let amount = 10;

const client = (singleConnection, options = {}) =>
  createClient({ url, singleConnection, retryAttempts: 0, ...options });

async function post(body, headers = {}) {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

async function lot() {
  const answer = await post({ query: LOT, variables: { id: auction } });
  return (await answer.json()).data.auction;
}

async function bid() {
  const token = tokens[amount % 2];
  const input = { auctionId: auction, maximum: `${amount++}.00`, idempotencyKey: crypto.randomUUID() };
  const answer = await post({ query: PLACE, variables: { input } }, { authorization: `Bearer ${token}` });
  assert.equal((await answer.json()).data.placeBid.__typename, "PlaceBidSuccess");
}

async function bids(count) {
  for (let n = 0; n < count; n++) await bid();
}

/** What both modes must do. */
const modes = (single) => ({
  "a query has one result": async () => {
    const { iterate, dispose } = client(single);
    assert.deepEqual(await all(iterate({ query: "{ __typename }" })), [{ data: { __typename: "Query" } }]);
    dispose();
  },
  "variables and the operation's name": async () => {
    const { iterate, dispose } = client(single);
    const query = `query A { __typename } query B($ids: [ID!]!) { nodes(ids: $ids) { id } }`;
    const asked = { query, variables: { ids: [auction] }, operationName: "B" };
    assert.deepEqual(await all(iterate(asked)), [{ data: { nodes: [{ id: auction }] } }]);
    dispose();
  },
  "a mutation, signed in by a header": async () => {
    const { iterate, dispose } = client(single, { headers: { authorization: `Bearer ${tokens[2]}` } });
    const { bidCount } = await lot();
    const input = { auctionId: auction, maximum: `${amount++}.00`, idempotencyKey: crypto.randomUUID() };
    const [{ data }] = await all(iterate({ query: PLACE, variables: { input } }));
    assert.equal(data.placeBid.__typename, "PlaceBidSuccess");
    assert.ok((await lot()).bidCount > bidCount);
    dispose();
  },
  "bad credentials are refused": async () => {
    const { iterate, dispose } = client(single, { headers: { authorization: "Bearer forged" } });
    await assert.rejects(all(iterate({ query: "{ __typename }" })), (error) => error.response.status === 401);
    dispose();
  },
  "an error of execution is in the result": async () => {
    const { iterate, dispose } = client(single);
    const [{ data, errors }] = await all(iterate({ query: "mutation { signOut(input: {}) { __typename } }" }));
    assert.equal(data, null);
    assert.equal(errors[0].extensions.code, "UNAUTHENTICATED");
    dispose();
  },
  "history, then what happens": async () => {
    const { iterate, dispose } = client(single);
    const { eventCursor, bidCount } = await lot();
    await bids(2);
    const results = iterate({ query: BIDS, variables: { auction, after: eventCursor } });
    const seen = await some(results, 2);
    await bids(2);
    seen.push(...(await some(results, 2)));
    assert.deepEqual(numbers(seen), [1, 2, 3, 4].map((n) => bidCount + n));
    await results.return();
    dispose();
  },
  "twenty operations at once": async () => {
    const { iterate, dispose } = client(single);
    const asked = Array.from({ length: 20 }, (_, n) => all(iterate({ query: `{ a${n}: __typename }` })));
    (await Promise.all(asked)).forEach(([{ data }], n) => assert.deepEqual(data, { [`a${n}`]: "Query" }));
    dispose();
  },
  "one subscription is given up, and another goes on": async () => {
    const { iterate, dispose } = client(single);
    const { eventCursor: after } = await lot();
    const [one, two] = [1, 2].map(() => iterate({ query: BIDS, variables: { auction, after } }));
    await bid();
    await some(one, 1);
    await some(two, 1);
    await one.return();
    await bid();
    assert.equal((await some(two, 1)).length, 1);
    await two.return();
    dispose();
  },
  "a client that lost its stream connects again": async () => {
    let connected = 0;
    const broken = new Set();
    const { iterate, dispose } = client(single, {
      retryAttempts: 3,
      retry: () => sleep(10),
      on: { connected: () => connected++ },
      fetchFn: async (address, options) => {
        const answer = await fetch(address, options);
        if (!(answer.headers.get("content-type") ?? "").startsWith("text/event-stream")) return answer;
        const cut = new AbortController();
        broken.add(() => cut.abort(new Error("the network is gone")));
        const body = answer.body.pipeThrough(new TransformStream(), { signal: cut.signal });
        return new Response(body, answer);
      },
    });
    const { eventCursor: after } = await lot();
    const results = iterate({ query: BIDS, variables: { auction, after } });
    await bid();
    const [first] = await some(results, 1);
    for (const cut of broken) cut();
    const [again] = await some(results, 1);
    assert.deepEqual(again, first);
    assert.equal(connected, 2);
    await results.return();
    dispose();
  },
});

const prefixed = (cases, name) =>
  Object.fromEntries(Object.entries(cases).map(([said, run]) => [`${name}: ${said}`, run]));

const CASES = {
  ...prefixed(modes(false), "distinct connections"),
  ...prefixed(modes(true), "single connection"),
  "distinct connections: what cannot run is told by a result": async () => {
    const { iterate, dispose } = client(false);
    for (const query of ["{ ", "{ nothing }", "subscription { nothing }"]) {
      const [{ data, errors }] = await all(iterate({ query }));
      assert.equal(data, undefined);
      assert.equal(errors[0].extensions.code, "BAD_USER_INPUT");
    }
    dispose();
  },
  "single connection: what cannot run is refused": async () => {
    const { iterate, dispose } = client(true);
    const refused = (error) => error.response.status === 400;
    await assert.rejects(all(iterate({ query: "{ nothing }" })), refused);
    dispose();
  },
  "distinct connections: a deferred fragment comes later": async () => {
    const { iterate, dispose } = client(false);
    const [first, ...rest] = await all(iterate({ query: DEFERRED, variables: { id: auction } }));
    assert.deepEqual(first, {
      data: { auction: { id: auction } },
      pending: [{ id: "0", path: ["auction"], label: "rest" }],
      hasNext: true,
    });
    assert.equal(rest.length, 1);
    assert.equal(rest[0].incremental[0].data.status, "OPEN");
    assert.deepEqual(rest[0].completed, [{ id: "0" }]);
    assert.equal(rest[0].hasNext, false);
    dispose();
  },
  "meros: a subscription by Apollo's protocol": async () => {
    const { eventCursor: after, bidCount } = await lot();
    const accept = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json';
    const answer = await post({ query: BIDS, variables: { auction, after } }, { accept });
    const parts = (await meros(answer))[Symbol.asyncIterator]();
    const seen = [];
    for (const n of [1, 2]) {
      await bid();
      const { value } = await parts.next();
      assert.ok(value.json);
      if (value.body.payload) seen.push(value.body.payload.data.bidPlaced.bid.sequence - bidCount);
      assert.equal(seen.length, n);
    }
    assert.deepEqual(seen, [1, 2]);
    await parts.return();
  },
  "meros: deferred parts as Apollo Client takes them": async () => {
    const accept = "multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9";
    const answer = await post({ query: DEFERRED, variables: { id: auction } }, { accept });
    const parts = (await all(await meros(answer))).map(({ body }) => body);
    assert.deepEqual(parts[0], { data: { auction: { id: auction } }, hasNext: true });
    const [{ data, path, label }] = parts[1].incremental;
    assert.deepEqual([path, label, data.status], [["auction"], "rest", "OPEN"]);
    assert.equal(parts.at(-1).hasNext, false);
  },
};

const failed = [];
for (const [name, run] of Object.entries(CASES)) {
  try {
    await Promise.race([run(), sleep(10_000).then(() => assert.fail("it took ten seconds"))]);
  } catch (error) {
    failed.push([name, String(error?.stack ?? error)]);
  }
}
const of = Object.keys(CASES).length;
process.stdout.write(`${JSON.stringify({ fine: of - failed.length, of, failed })}\n`, () => process.exit());
