// What became of a bid, in words. Every member of the union stands here: a new one in the schema
// makes the compiler complain in this file, and nowhere else.
import type { PlaceBidMutation } from './generated';
import { shown } from './money';

export interface Outcome {
  tone: 'good' | 'wait' | 'bad';
  text: string;
}

export function outcomeOf(result: PlaceBidMutation['placeBid']): Outcome {
  switch (result.__typename) {
    case 'PlaceBidSuccess':
      return result.auction.viewerIsLeading
        ? { tone: 'good', text: `You lead at ${shown(result.auction.currentPrice)}.` }
        : { tone: 'wait', text: `Outbid at once: it takes ${shown(result.auction.minimumBid)}.` };
    case 'BidTooLow':
      return { tone: 'wait', text: `It takes at least ${shown(result.minimumBid)}.` };
    case 'InsufficientFunds':
      return { tone: 'bad', text: `You have ${shown(result.available)} free. Nothing was moved.` };
    case 'AuctionNotOpen':
      return { tone: 'bad', text: 'This auction takes no bids.' };
    case 'SellerCannotBid':
      return { tone: 'bad', text: 'It is your own auction.' };
    case 'NotFound':
      return { tone: 'bad', text: 'This auction is gone.' };
    case 'AccountFrozen':
    case 'AccountClosed':
    case 'IdempotencyConflict':
    case 'InvalidInput':
      return { tone: 'bad', text: result.message };
    default:
      return result satisfies never;
  }
}
