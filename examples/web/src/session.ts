// Who is signed in: in memory alone, so that a page that was closed leaves nothing behind.
import { useSyncExternalStore } from 'react';
import type { SessionFragment } from './generated';

let current: SessionFragment | null = null;
const listeners = new Set<() => void>();

export const accessToken = (): string | undefined => current?.accessToken;
export const session = (): SessionFragment | null => current;

export function setSession(next: SessionFragment | null): void {
  current = next;
  for (const tell of listeners) tell();
}

function listen(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

export const useSession = (): SessionFragment | null => useSyncExternalStore(listen, session);
