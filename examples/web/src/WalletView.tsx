import { useState, type FormEvent } from 'react';
import { BidForm } from './BidForm';
import { shown } from './money';
import { useSession } from './session';
import { signIn, signOut } from './signing';
import type { Seen } from './useAuction';
import { useWallet } from './useWallet';

export function WalletView({ auction }: { auction: NonNullable<Seen['auction']> }) {
  const viewer = useSession();
  const purse = useWallet(auction.asset, viewer?.user.username ?? null);
  return (
    <section className="card wallet" id="bid" aria-labelledby="wallet-title">
      <h2 id="wallet-title">{viewer ? `${viewer.user.displayName}’s wallet` : 'Your wallet'}</h2>
      {viewer ? (
        <>
          <dl className="figures" aria-live="polite">
            <div className="price">
              <dt>Available</dt>
              <dd data-test="available">{purse ? shown(purse.available) : '…'}</dd>
            </div>
            <div>
              <dt>Held</dt>
              <dd data-test="held">{purse ? shown(purse.held) : '…'}</dd>
            </div>
            <div>
              <dt>Balance</dt>
              <dd>{purse ? shown(purse.balance) : '…'}</dd>
            </div>
          </dl>
          <BidForm key={auction.id} auction={auction} />
          <button type="button" className="quiet" onClick={signOut}>
            Sign out
          </button>
        </>
      ) : (
        <SignInForm />
      )}
    </section>
  );
}

function SignInForm() {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    setBusy(true);
    const refused = await signIn(String(given.get('login')), String(given.get('password')));
    setBusy(false);
    setProblem(refused);
  }

  return (
    <form onSubmit={submit}>
      <p>
        Sign in to bid. <code>make serve</code> prints a demo account.
      </p>
      <label>
        Username or e-mail
        <input name="login" defaultValue="demo" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button type="submit" disabled={busy}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
      <p role="alert" className="outcome bad">
        {problem}
      </p>
    </form>
  );
}
