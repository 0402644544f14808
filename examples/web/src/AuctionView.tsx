import { useEffect, useState } from 'react';
import { shown } from './money';
import type { Seen } from './useAuction';

const TIME = new Intl.DateTimeFormat('en', { timeStyle: 'medium' });

export function AuctionView({ seen, auction }: { seen: Seen; auction: Shown }) {
  const newest = seen.bids[0];
  return (
    <section className="card lot" aria-labelledby="lot-title">
      <p className="kicker">
        {auction.category} · sold by {auction.seller.displayName}
      </p>
      <h2 id="lot-title">{auction.title}</h2>
      <p className="about">{auction.description}</p>
      <dl className="figures">
        <div className="price">
          <dt>Price</dt>
          <dd key={auction.currentPrice.amount}>{shown(auction.currentPrice)}</dd>
        </div>
        <div>
          <dt>Ends in</dt>
          <dd>
            <Left endsAtMs={seen.endsAtMs} open={auction.status === 'OPEN'} />
          </dd>
        </div>
        <div>
          <dt>Bids</dt>
          <dd>{auction.bidCount}</dd>
        </div>
        <div>
          <dt>Watching</dt>
          <dd data-test="watchers">{seen.watchers ?? '–'}</dd>
        </div>
      </dl>
      <h3>Newest bids</h3>
      <p className="unseen" role="status">
        {newest?.amount && `${newest.bidder.displayName} bid ${shown(newest.amount)}`}
      </p>
      {seen.bids.length ? (
        <ol className="bids" reversed>
          {seen.bids.map((bid) => (
            <li key={bid.id} data-sequence={bid.sequence}>
              <span className="face" aria-hidden="true" style={{ background: colour(bid.bidder.username) }}>
                {bid.bidder.displayName.slice(0, 1).toUpperCase()}
              </span>
              <span className="who">{bid.bidder.displayName}</span>
              <time dateTime={bid.placedAt}>{TIME.format(new Date(bid.placedAt))}</time>
              <strong>{bid.amount ? shown(bid.amount) : 'sealed'}</strong>
            </li>
          ))}
        </ol>
      ) : (
        <p className="empty">Nobody yet. The first bid leads.</p>
      )}
    </section>
  );
}

type Shown = NonNullable<Seen['auction']>;

function Left({ endsAtMs, open }: { endsAtMs: number; open: boolean }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  if (!open) return <>closed</>;
  const left = Math.max(0, Math.round((endsAtMs - now) / 1_000));
  const [days, hours] = [Math.floor(left / 86_400), Math.floor(left / 3_600) % 24];
  const rest = `${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
  return <>{days ? `${days} d ${hours} h` : hours ? `${hours}:${rest}` : rest}</>;
}

const two = (n: number) => String(n).padStart(2, '0');

function colour(name: string): string {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 360;
  return `hsl(${sum} 45% 32%)`;
}
