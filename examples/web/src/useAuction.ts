// One auction, kept as it is now: read once, then followed from the cursor that was read with it.
import { useEffect, useReducer } from 'react';
import { client } from './client';
import { Expired, follow } from './follow';
import {
  AuctionChangedDocument,
  AuctionDocument,
  BidPlacedDocument,
  WatchersDocument,
  type AuctionChangedSubscription,
  type AuctionQuery,
  type BidLineFragment,
} from './generated';

type Auction = NonNullable<AuctionQuery['auction']>;
type Change = AuctionChangedSubscription['auctionChanged'];

export interface Seen {
  auction: Auction | null;
  bids: BidLineFragment[];
  watchers: number | null;
  /** When it ends, by this machine's clock: the server says how much time is left. */
  endsAtMs: number;
  live: boolean;
  problem: string | null;
}

type Event =
  | { kind: 'read'; auction: Auction }
  | { kind: 'bid'; bid: BidLineFragment }
  | { kind: 'change'; change: Change }
  | { kind: 'watchers'; count: number }
  | { kind: 'live'; yes: boolean }
  | { kind: 'problem'; text: string | null };

const SHOWN = 9;
const NOTHING: Seen = {
  auction: null,
  bids: [],
  watchers: null,
  endsAtMs: 0,
  live: false,
  problem: null,
};

function next(seen: Seen, event: Event): Seen {
  switch (event.kind) {
    case 'read': {
      const { auction } = event;
      const endsAtMs = Date.now() + auction.timeLeft * 1_000;
      return { ...seen, auction, bids: auction.bids.nodes, endsAtMs, problem: null };
    }
    case 'bid': {
      if (seen.bids.some((bid) => bid.id === event.bid.id)) return seen;
      return { ...seen, bids: [event.bid, ...seen.bids].slice(0, SHOWN) };
    }
    case 'change': {
      if (!seen.auction) return seen;
      const { auction, status, endsAt } = event.change;
      const endsAtMs = Date.now() + auction.timeLeft * 1_000;
      return { ...seen, auction: { ...seen.auction, ...auction, status, endsAt }, endsAtMs };
    }
    case 'watchers':
      return { ...seen, watchers: event.count };
    case 'live':
      return { ...seen, live: event.yes };
    case 'problem':
      return { ...seen, problem: event.text };
    default:
      return event satisfies never;
  }
}

export function useAuction(id: string | null): Seen {
  const [seen, tell] = useReducer(next, NOTHING);
  useEffect(() => {
    if (!id) return;
    const stop = new AbortController();
    void watch(id, stop.signal, tell);
    return () => stop.abort();
  }, [id]);
  return seen;
}

async function watch(id: string, signal: AbortSignal, tell: (event: Event) => void) {
  while (!signal.aborted) {
    const { data, error } = await client.query(AuctionDocument, { id });
    if (signal.aborted) return;
    if (!data?.auction) {
      tell({ kind: 'problem', text: error?.message ?? 'There is no such auction.' });
      return;
    }
    tell({ kind: 'read', auction: data.auction });
    const after = data.auction.eventCursor;
    const round = new AbortController();
    const ends = () => round.abort();
    signal.addEventListener('abort', ends);
    try {
      await Promise.all([
        bids(id, after, round.signal, tell),
        changes(id, after, round.signal, tell),
        watchers(id, round.signal, tell),
      ]);
    } catch (reason) {
      if (!(reason instanceof Expired)) {
        tell({ kind: 'problem', text: reason instanceof Error ? reason.message : String(reason) });
        return;
      }
    } finally {
      round.abort();
      signal.removeEventListener('abort', ends);
    }
  }
}

type Tell = (event: Event) => void;

async function bids(id: string, after: string, signal: AbortSignal, tell: Tell) {
  const events = follow({
    document: BidPlacedDocument,
    variables: (cursor) => ({ id, after: cursor }),
    cursor: (event) => event.bidPlaced.cursor,
    after,
    signal,
    live: (yes) => tell({ kind: 'live', yes }),
  });
  for await (const { bidPlaced } of events) tell({ kind: 'bid', bid: bidPlaced.bid });
}

async function changes(id: string, after: string, signal: AbortSignal, tell: Tell) {
  const events = follow({
    document: AuctionChangedDocument,
    variables: (cursor) => ({ id, after: cursor }),
    cursor: (event) => event.auctionChanged.cursor,
    after,
    signal,
  });
  for await (const { auctionChanged } of events) tell({ kind: 'change', change: auctionChanged });
}

async function watchers(id: string, signal: AbortSignal, tell: Tell) {
  const events = follow({
    document: WatchersDocument,
    variables: () => ({ id }),
    cursor: () => null,
    after: null,
    signal,
  });
  for await (const { auctionPresence } of events)
    tell({ kind: 'watchers', count: auctionPresence.watchers });
}
