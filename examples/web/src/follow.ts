// A subscription that goes on where it was, across lost connections: each event once, in order.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { print, type GraphQLFormattedError } from 'graphql';
import { socket } from './client';

const AGAIN_MS = 500;
const AGAIN_AT_MOST_MS = 15_000;

/** The log no longer goes back so far: read anew, and follow from there. */
export class Expired extends Error {}

/** Nothing that waiting would help. */
export class Refused extends Error {}

interface Following<Result, Variables> {
  document: TypedDocumentNode<Result, Variables>;
  variables: (after: string | null) => Variables;
  /** Where an event stands; null where a stream begins with what is now. */
  cursor: (event: Result) => string | null;
  after: string | null;
  signal: AbortSignal;
  /** Told of each beginning and end. */
  live?: (yes: boolean) => void;
}

/** Every event after `after`, until `signal`. Throws `Expired` and `Refused`. */
export async function* follow<Result, Variables extends Record<string, unknown>>(
  asked: Following<Result, Variables>,
): AsyncGenerator<Result> {
  const { signal, live } = asked;
  const query = print(asked.document);
  let after = asked.after;
  let failures = 0;
  while (!signal.aborted) {
    const events = socket.iterate<Result>({ query, variables: asked.variables(after) });
    const stop = () => void events.return?.();
    signal.addEventListener('abort', stop);
    try {
      live?.(true);
      for await (const { data, errors } of events) {
        if (errors?.length) refuse(errors);
        if (!data) break;
        failures = 0;
        after = asked.cursor(data) ?? after;
        yield data as Result;
      }
    } catch (reason) {
      if (reason instanceof Expired || reason instanceof Refused) throw reason;
      if (Array.isArray(reason)) refuse(reason as GraphQLFormattedError[]);
      failures += 1; // The connection was lost.
    } finally {
      signal.removeEventListener('abort', stop);
      live?.(false);
    }
    if (!signal.aborted) await pause(failures);
  }
}

function refuse(errors: readonly GraphQLFormattedError[]): void {
  const code = errors[0]?.extensions?.['code'];
  if (code === 'CURSOR_EXPIRED') throw new Expired();
  // A full buffer, a server that leaves, a limit of the moment: come back.
  const passing = ['SLOW_CONSUMER', 'UNAVAILABLE', 'SERVICE_UNAVAILABLE', 'RATE_LIMITED'];
  if (!passing.includes(String(code))) throw new Refused(errors[0]?.message);
}

function pause(failures: number): Promise<void> {
  const most = Math.min(AGAIN_AT_MOST_MS, AGAIN_MS * 2 ** failures);
  return new Promise((resolve) => setTimeout(resolve, most * (0.5 + Math.random() / 2)));
}
