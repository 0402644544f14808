import { useState } from 'react';
import { useQuery } from 'urql';
import { AuctionView } from './AuctionView';
import { OpenAuctionsDocument } from './generated';
import { useAuction } from './useAuction';
import { WalletView } from './WalletView';

export function App() {
  const [{ data, error }] = useQuery({ query: OpenAuctionsDocument });
  const [chosen, choose] = useState(() => new URLSearchParams(location.search).get('auction'));
  const open = data?.auctions.nodes.filter((each) => each.format === 'ENGLISH') ?? [];
  const id = chosen ?? open[0]?.id ?? null;
  const seen = useAuction(id);
  const problem = error?.message ?? seen.problem;

  return (
    <>
      <a className="skip" href="#bid">
        Skip to bidding
      </a>
      <header>
        <h1>
          Mela <span>live auction</span>
        </h1>
        <label className="choice">
          <span>On sale now</span>
          <select value={id ?? ''} onChange={(event) => choose(event.target.value)}>
            {chosen && !open.some((each) => each.id === chosen) && (
              <option value={chosen}>{seen.auction?.title ?? chosen}</option>
            )}
            {open.map((each) => (
              <option key={each.id} value={each.id}>
                {each.title}
              </option>
            ))}
          </select>
        </label>
        <p className="link" data-live={seen.live} role="status">
          {seen.live ? 'Live' : 'Connecting…'}
        </p>
      </header>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <main>
        {seen.auction ? (
          <>
            <AuctionView seen={seen} auction={seen.auction} />
            <WalletView auction={seen.auction} />
          </>
        ) : (
          !problem && <p className="empty">Reading…</p>
        )}
      </main>
      <footer>
        Prices, bids, watchers and the wallet are pushed as they change, and go on where they were
        after a lost connection.
      </footer>
    </>
  );
}
