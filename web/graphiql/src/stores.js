// What the page remembers while it is open: who is signed in, the last events of the running
// subscription, the last plan. Nothing is written to disk: a token must not outlive the page.

const EVENT_LIMIT = 50;

function createStore(initial) {
  let state = initial;
  const listeners = new Set();
  return {
    get: () => state,
    set(next) {
      state = next;
      listeners.forEach((listener) => listener());
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** `{token, username}` after a successful signIn, else null. */
export const session = createStore(null);

/** `{run, name, open, total, events}` of the latest subscription, newest event first, or null. */
export const live = createStore(null);

/** Whether operations ask for their plan, and the last that was told, or null. */
export const planWanted = createStore(false);
export const plan = createStore(null);

let runs = 0;

/** Starts a list afresh; the returned functions do nothing once a later run has begun. */
export function beginLive(name) {
  const run = ++runs;
  live.set({ run, name, open: true, total: 0, events: [] });
  const update = (change) => {
    const state = live.get();
    if (state?.run === run) live.set({ ...state, ...change(state) });
  };
  return {
    push: (result) =>
      update(({ total, events }) => ({
        total: total + 1,
        events: [{ number: total + 1, at: new Date(), result }, ...events].slice(0, EVENT_LIMIT),
      })),
    end: () => update(() => ({ open: false })),
  };
}

export function closeLive() {
  live.set(null);
}
