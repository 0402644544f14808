// The tabs a first visit opens. The operations are files, so that the test suite can hold
// them against the real schema.
import auctions from '../examples/auctions.graphql?raw';
import placeBid from '../examples/place-bid.graphql?raw';
import signIn from '../examples/sign-in.graphql?raw';
import watchBids from '../examples/watch-bids.graphql?raw';
import { NEW_KEY } from './fetcher.js';

export const NO_AUCTION = 'auc_… (an id from the Auctions tab)';

const json = (value) => JSON.stringify(value, null, 2);

export function defaultTabs({ demoAuctionId, demoUsername, demoPassword }) {
  const auctionId = demoAuctionId ?? NO_AUCTION;
  return [
    { query: watchBids, variables: json({ id: auctionId }) },
    { query: auctions, variables: json({ first: 10 }) },
    {
      query: signIn,
      variables: json({ input: { login: demoUsername ?? '', password: demoPassword ?? '' } }),
    },
    {
      query: placeBid,
      // Far above the demo lot's start: its bots pass small amounts within a minute.
      variables: json({ input: { auctionId, maximum: '250.00', idempotencyKey: NEW_KEY } }),
    },
  ];
}
