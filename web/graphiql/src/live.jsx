// The list of a subscription's last events, below the response: GraphiQL shows only the latest.
import { useSyncExternalStore } from 'react';

import { closeLive, live } from './stores.js';

const clock = new Intl.DateTimeFormat([], { timeStyle: 'medium' });

export function useLive() {
  return useSyncExternalStore(live.subscribe, live.get);
}

export function LivePanel() {
  const state = useLive();
  if (!state) return null;
  const { name, open, total, events } = state;
  return (
    <section className="mela-live" aria-label="Live events">
      <header>
        <span className={open ? 'mela-dot mela-dot-on' : 'mela-dot'} />
        <strong>{open ? 'Live' : 'Stopped'}</strong>
        <span className="mela-quiet">{name}</span>
        <Sparkline events={events} />
        <span className="mela-count">{counted(total, events.length)}</span>
        <button type="button" onClick={closeLive} aria-label="Close the live events" title="Close">
          ×
        </button>
      </header>
      <ol>
        {events.map((event) => (
          <LiveEvent key={`${state.run}-${event.number}`} {...event} />
        ))}
      </ol>
      {total === 0 && <p className="mela-quiet">{open ? 'Waiting for the first event…' : 'No event came.'}</p>}
    </section>
  );
}

function counted(total, shown) {
  const events = `${total} ${total === 1 ? 'event' : 'events'}`;
  return total > shown ? `${events}, last ${shown}` : events;
}

function LiveEvent({ number, at, result }) {
  return (
    <li>
      <details>
        <summary>
          <time dateTime={at.toISOString()}>{clock.format(at)}</time>
          <Summary number={number} result={result} />
        </summary>
        <pre>{JSON.stringify(result, null, 2)}</pre>
      </details>
    </li>
  );
}

function Summary({ number, result }) {
  const bid = bidOf(result);
  if (!bid) return <code className="mela-raw">{JSON.stringify(result.data ?? result.errors)}</code>;
  return (
    <>
      <span className="mela-sequence">#{bid.sequence ?? number}</span>
      <span className="mela-amount">
        {bid.amount?.amount ?? 'sealed'} <small>{bid.amount?.asset}</small>
      </span>
      <span className="mela-bidder">{bid.bidder?.username}</span>
    </>
  );
}

function bidOf(result) {
  return Object.values(result?.data ?? {})[0]?.bid;
}

/** The price's way up, oldest to newest; nothing until there are two prices. */
function Sparkline({ events }) {
  const prices = events
    .map(({ result }) => Number(bidOf(result)?.amount?.amount))
    .filter(Number.isFinite)
    .reverse();
  if (prices.length < 2) return null;
  const low = Math.min(...prices);
  const span = Math.max(...prices) - low || 1;
  const points = prices
    .map((price, index) => `${(index / (prices.length - 1)) * 96 + 2},${18 - ((price - low) / span) * 16}`)
    .join(' ');
  return (
    <svg className="mela-spark" viewBox="0 0 100 20" role="img" aria-label="Price of the last bids">
      <polyline points={points} />
    </svg>
  );
}
