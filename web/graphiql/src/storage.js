// What GraphiQL may keep in this browser: tabs and history, but no headers (its history would
// keep an Authorization) and no password but the demo's own.
import { NO_AUCTION } from './examples.js';

const AUCTION_KEY = 'mela:demoAuction';
const PASSWORD = /"(\w*password)"\s*:\s*"((?:[^"\\]|\\.)*)"/gi;

export function createStorage({ demoPassword }) {
  const withoutPasswords = (variables) =>
    variables.replaceAll(PASSWORD, (all, name, value) =>
      value === demoPassword ? all : `"${name}": ""`,
    );
  const clean = (name, value) => {
    if (name === 'headers') return undefined;
    return name === 'variables' && typeof value === 'string' ? withoutPasswords(value) : value;
  };
  return {
    getItem: (key) => localStorage.getItem(key),
    removeItem: (key) => localStorage.removeItem(key),
    clear: () => localStorage.clear(),
    get length() {
      return localStorage.length;
    },
    setItem(key, value) {
      localStorage.setItem(key, cleaned(key.replace('graphiql:', ''), value, clean));
    },
  };
}

function cleaned(key, value, clean) {
  if (key === 'variables') return clean(key, value);
  if (!['tabState', 'queries', 'favorites'].includes(key)) return value;
  const headersKept = key === 'tabState'; // Already emptied, and GraphiQL wants the name there.
  const reviver = (name, item) => (headersKept && name === 'headers' ? null : clean(name, item));
  return JSON.stringify(JSON.parse(value, reviver));
}

/** A reseeded demo has a new auction: put its id where stored tabs still name the old one. */
export function renewStoredAuction({ demoAuctionId }) {
  const auctionId = demoAuctionId ?? NO_AUCTION;
  const old = localStorage.getItem(AUCTION_KEY);
  if (old && old !== auctionId) {
    for (const key of ['graphiql:tabState', 'graphiql:variables']) {
      const stored = localStorage.getItem(key);
      if (stored) localStorage.setItem(key, stored.replaceAll(old, auctionId));
    }
  }
  localStorage.setItem(AUCTION_KEY, auctionId);
}
