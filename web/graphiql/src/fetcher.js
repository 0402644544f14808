// How the page reaches the server: queries and mutations by POST, subscriptions by
// graphql-transport-ws on the same origin, both with the same Authorization.
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';

import { noticePlan, planHeader } from './plan.jsx';
import { beginLive, session } from './stores.js';

/** A variable of exactly this value becomes a fresh key at each run (idempotency keys). */
export const NEW_KEY = '<new key>';

export function createFetcher(endpoint) {
  const post = createGraphiQLFetcher({ url: endpoint });
  const socket = createSocket(endpoint);
  return async (params, options) => {
    const headers = withAuthorization(options?.headers);
    // GraphiQL's own idea of the document lags behind a change of tab, so the text decides.
    const operation = findOperation(params);
    const operationName = operation?.name?.value;
    const request = { ...params, operationName, variables: fillKeys(params.variables) };
    if (operation?.operation === 'subscription') return watch(socket(headers), request);
    const results = await post(request, { headers: { ...headers, ...planHeader() } });
    // A single result for introspection, else the parts of a possibly incremental delivery.
    if (!results[Symbol.asyncIterator]) return results;
    return tap(results, { push: noticeSession, show: noticePlan });
  };
}

function findOperation({ query, operationName }) {
  try {
    const document = parse(query);
    return getOperationAST(document, operationName) ?? getOperationAST(document);
  } catch {
    return undefined; // A syntax error: the server says it best.
  }
}

function withAuthorization(headers) {
  const lower = Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const token = session.get()?.token;
  return token && !lower.authorization ? { ...lower, authorization: `Bearer ${token}` } : lower;
}

function fillKeys(value) {
  if (value === NEW_KEY) return randomKey();
  if (Array.isArray(value)) return value.map(fillKeys);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fillKeys(item)]));
}

// Not crypto.randomUUID: it is missing on a page served without TLS from another machine.
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Remembers the access token of a sign-in, and forgets it when the server refuses it. */
function noticeSession(result) {
  for (const payload of Object.values(result?.data ?? {})) {
    if (payload?.accessToken) {
      session.set({ token: payload.accessToken, username: payload.user?.username ?? '' });
    }
  }
  const refused = result?.errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED');
  if (refused) session.set(null);
}

/** One WebSocket, replaced when the headers change: they travel only in `connection_init`. */
function createSocket(endpoint) {
  const url = new URL(endpoint, window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  let client;
  let key;
  return (headers) => {
    const next = JSON.stringify(headers);
    if (next !== key) {
      client?.dispose();
      client = createClient({ url: url.href, connectionParams: headers, retryAttempts: 5 });
      key = next;
    }
    return client;
  };
}

function watch(client, request) {
  return tap(client.iterate(request), beginLive(request.operationName ?? 'subscription'));
}

// Tells `push` of each result on its way, and hands on what `show` makes of it. Not an async generator: the return() of one would
// wait for the next event, so Stop would hang.
function tap(results, { push, end = () => {}, show = (result) => result }) {
  const iterator = results[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const step = await iterator.next();
        if (!step.done) {
          push(step.value);
          return { ...step, value: show(step.value) };
        }
        end();
        return step;
      } catch (error) {
        end();
        throw readable(error);
      }
    },
    return() {
      end();
      return iterator.return();
    },
  };
}

function readable(error) {
  if (typeof error?.code !== 'number') return error;
  return new Error(`The WebSocket was closed: ${error.code} ${error.reason || '(no reason given)'}`);
}
