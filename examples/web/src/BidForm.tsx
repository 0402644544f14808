import { useRef, useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { PlaceBidDocument } from './generated';
import { isAmount, shown } from './money';
import { outcomeOf, type Outcome } from './outcome';
import type { Seen } from './useAuction';

export function BidForm({ auction }: { auction: NonNullable<Seen['auction']> }) {
  const [{ fetching }, placeBid] = useMutation(PlaceBidDocument);
  const [maximum, setMaximum] = useState('');
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  // Kept until the server has answered: a bid that is sent again is the same bid, not a second.
  const key = useRef<string | null>(null);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (!isAmount(maximum, auction.asset)) {
      setOutcome({ tone: 'bad', text: `An amount, as in ${auction.minimumBid.amount}.` });
      return;
    }
    key.current ??= crypto.randomUUID();
    const input = { auctionId: auction.id, maximum, idempotencyKey: key.current };
    const { data, error } = await placeBid({ input });
    if (!data) {
      const text = error?.message ?? 'The server did not answer. Try again: it stays one bid.';
      setOutcome({ tone: 'bad', text });
      return;
    }
    key.current = null;
    setOutcome(outcomeOf(data.placeBid));
  }

  return (
    <form onSubmit={submit}>
      <label>
        The most you would pay ({auction.asset})
        <input
          name="maximum"
          inputMode="decimal"
          autoComplete="off"
          placeholder={auction.minimumBid.amount}
          value={maximum}
          aria-describedby="bid-hint"
          onChange={(event) => {
            setMaximum(event.target.value.trim());
            key.current = null;
          }}
        />
      </label>
      <p id="bid-hint" className="hint">
        At least {shown(auction.minimumBid)}. It stays secret; you pay as little as wins, and it is
        held while you lead.
      </p>
      <button type="submit" disabled={fetching || auction.status !== 'OPEN'}>
        {fetching ? 'Bidding…' : 'Place bid'}
      </button>
      <p role="status" className={`outcome ${outcome?.tone ?? ''}`} data-test="outcome">
        {outcome?.text}
      </p>
    </form>
  );
}
