// What clients of every transport ask here, and what they make of its results.
export const BIDS = `subscription ($auction: ID!, $after: Cursor) {
  bidPlaced(auctionId: $auction, after: $after) { cursor bid { sequence } } }`;
export const PLACE = `mutation ($input: PlaceBidInput!) { placeBid(input: $input) { __typename } }`;

export async function all(results) {
  const found = [];
  for await (const result of results) found.push(result);
  return found;
}

export async function some(results, count) {
  const found = [];
  for (let n = 0; n < count; n++) found.push((await results.next()).value.data.bidPlaced);
  return found;
}

export const numbers = (events) => events.map(({ bid }) => bid.sequence);
