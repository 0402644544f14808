// What the viewer has of one asset, kept as it is now.
import { useEffect, useState } from 'react';
import { client } from './client';
import { Expired, follow } from './follow';
import { WalletChangedDocument, WalletDocument, type AssetCode } from './generated';
import type { Money } from './money';

export interface Purse {
  balance: Money;
  available: Money;
  held: Money;
}

export function useWallet(asset: AssetCode | null, who: string | null): Purse | null {
  const [purse, setPurse] = useState<Purse | null>(null);
  useEffect(() => {
    setPurse(null);
    if (!asset || !who) return;
    const stop = new AbortController();
    void watch(asset, stop.signal, setPurse);
    return () => stop.abort();
  }, [asset, who]);
  return purse;
}

async function watch(asset: AssetCode, signal: AbortSignal, tell: (purse: Purse) => void) {
  const nothing: Money = { amount: '0', asset };
  while (!signal.aborted) {
    const { data } = await client.query(WalletDocument, { asset });
    const account = data?.wallet?.account;
    if (signal.aborted) return;
    tell({
      balance: account?.balance ?? nothing,
      available: account?.available ?? nothing,
      held: account?.pendingDebits ?? nothing,
    });
    try {
      const events = follow({
        document: WalletChangedDocument,
        variables: (after) => ({ asset, after }),
        cursor: (event) => event.walletChanged.cursor,
        after: account?.eventCursor ?? null,
        signal,
      });
      for await (const { walletChanged } of events) tell(walletChanged);
    } catch (reason) {
      if (!(reason instanceof Expired)) return;
    }
  }
}
