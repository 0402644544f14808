import './workers.js';
// Not graphiql/style.css: that carries Monaco's styles once more.
import '@graphiql/react/font/fira-code.css';
import '@graphiql/react/font/roboto.css';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './mela.css';

import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { GraphiQL } from 'graphiql';
import { useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';

import { defaultTabs } from './examples.js';
import { createFetcher } from './fetcher.js';
import { LivePanel, useLive } from './live.jsx';
import { PLAN_PLUGIN } from './plan.jsx';
import { createStorage, renewStoredAuction } from './storage.js';
import { session } from './stores.js';
import markUrl from './mela.svg?no-inline';

const CONFIG_URL = '/graphiql/config.json';
const PLUGINS = [HISTORY_PLUGIN, PLAN_PLUGIN];

function Session({ config }) {
  const signedIn = useSyncExternalStore(session.subscribe, session.get);
  if (!signedIn) return config.notice ? <span className="mela-quiet">{config.notice}</span> : null;
  return (
    <span className="mela-session">
      Signed in as <strong>{signedIn.username || 'you'}</strong>
      <button type="button" onClick={() => session.set(null)}>
        Forget
      </button>
    </span>
  );
}

function Page({ config, fetcher, storage, tabs, firstVisit }) {
  const hasLive = useLive() !== null;
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      plugins={PLUGINS}
      defaultTabs={tabs}
      // GraphiQL does not show the variables of the first default tab by itself.
      initialVariables={firstVisit ? tabs[0].variables : undefined}
      defaultEditorToolsVisibility="variables"
      inputValueDeprecation
      schemaDescription
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>
        <Session config={config} />
        <span className="mela-logo">
          <img src={markUrl} alt="" width="24" height="24" />
          {config.title}
        </span>
      </GraphiQL.Logo>
      {hasLive && (
        <GraphiQL.Footer>
          <LivePanel />
        </GraphiQL.Footer>
      )}
    </GraphiQL>
  );
}

async function start() {
  const root = document.getElementById('mela');
  try {
    const response = await fetch(CONFIG_URL, { headers: { accept: 'application/json' } });
    if (!response.ok) throw new Error(`${CONFIG_URL} answered ${response.status}`);
    const config = await response.json();
    renewStoredAuction(config);
    const page = {
      config,
      fetcher: createFetcher(config.endpoint),
      storage: createStorage(config),
      tabs: defaultTabs(config),
      firstVisit: localStorage.getItem('graphiql:tabState') === null,
    };
    createRoot(root).render(<Page {...page} />);
  } catch (error) {
    root.textContent = `GraphiQL could not start: ${error.message}`;
  }
}

start();
