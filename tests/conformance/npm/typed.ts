// What a client writes on top of generated types; tsc --strict must see that all cases are there.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { PlaceBidDocument, type PlaceBidMutation, WatchBidsDocument } from './operations';

declare function ask<Result, Variables>(
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
): Result;

export function told(result: PlaceBidMutation['placeBid']): string {
  switch (result.__typename) {
    case 'PlaceBidSuccess':
      return result.auction.minimumBid.amount;
    case 'BidTooLow':
      return result.minimumBid.amount;
    case 'AccountClosed':
    case 'AccountFrozen':
    case 'AuctionNotOpen':
    case 'IdempotencyConflict':
    case 'InsufficientFunds':
    case 'InvalidInput':
    case 'NotFound':
    case 'SellerCannotBid':
      return `${result.code}: ${result.message}`;
    default:
      return result satisfies never;
  }
}

const input = { auctionId: 'auc_1', maximum: '12.50', idempotencyKey: 'a' };
const placed: string = told(ask(PlaceBidDocument, { input }).placeBid);
const cursor: string = ask(WatchBidsDocument, { id: 'auc_1' }).bidPlaced.cursor;
// @ts-expect-error Money is a string: a number would lose what doubles cannot hold.
ask(PlaceBidDocument, { input: { ...input, maximum: 12.5 } });
// @ts-expect-error An id is needed.
ask(WatchBidsDocument, {});
export default [placed, cursor];
