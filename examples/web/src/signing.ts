// Signing in and out, and the next token before the last one ends.
import { client, socket } from './client';
import { RefreshTokenDocument, SignInDocument, type SessionFragment } from './generated';
import { session, setSession } from './session';

const SPARE_MS = 60_000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Null when signed in; else what went wrong, for people. */
export async function signIn(login: string, password: string): Promise<string | null> {
  const { data, error } = await client.mutation(SignInDocument, { input: { login, password } });
  if (!data) return error?.message ?? 'The server did not answer.';
  switch (data.signIn.__typename) {
    case 'AuthSuccess':
      begin(data.signIn);
      return null;
    case 'InvalidCredentials':
    case 'AccountSuspended':
      return data.signIn.message;
    default:
      return data.signIn satisfies never;
  }
}

export function signOut(): void {
  clearTimeout(timer);
  setSession(null);
  socket.terminate();
}

function begin(next: SessionFragment): void {
  const before = session();
  setSession(next);
  clearTimeout(timer);
  timer = setTimeout(renew, Math.max(1_000, Date.parse(next.expiresAt) - Date.now() - SPARE_MS));
  // A socket is somebody's from its first message on: those who follow come back as who they are.
  if (!before) socket.terminate();
}

async function renew(): Promise<void> {
  const refreshToken = session()?.refreshToken;
  if (!refreshToken) return;
  const { data } = await client.mutation(RefreshTokenDocument, { input: { refreshToken } });
  if (data?.refreshToken.__typename === 'AuthSuccess') begin(data.refreshToken);
  else signOut();
}
