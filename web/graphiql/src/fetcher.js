// How the page reaches the server: queries and mutations by POST, subscriptions by
// graphql-transport-ws on the same origin, both with the same Authorization.
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';

import { beginLive, session } from './stores.js';

/** A variable of exactly this value becomes a fresh key at each run (idempotency keys). */
export const NEW_KEY = '<new key>';

export function createFetcher(endpoint) {
  const post = createGraphiQLFetcher({ url: endpoint });
  const socket = createSocket(endpoint);
  return async (params, options) => {
    const headers = withAuthorization(options?.headers);
    const request = { ...params, variables: fillKeys(params.variables) };
    if (isSubscription(request)) return watch(socket(headers), request);
    const result = await post(request, { ...options, headers });
    if (!result?.[Symbol.asyncIterator]) noticeSession(result);
    return result;
  };
}

function isSubscription({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName)?.operation === 'subscription';
  } catch {
    return false; // A syntax error: the server says it best.
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

// Not an async generator: its return() would wait for the next event, so Stop would hang.
function watch(client, request) {
  const events = client.iterate(request);
  const log = beginLive(request.operationName || 'subscription');
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const step = await events.next();
        if (step.done) log.end();
        else log.push(step.value);
        return step;
      } catch (error) {
        log.end();
        throw readable(error);
      }
    },
    return() {
      log.end();
      return events.return();
    },
  };
}

function readable(error) {
  if (typeof error?.code !== 'number') return error;
  return new Error(`The WebSocket was closed: ${error.code} ${error.reason || '(no reason given)'}`);
}
