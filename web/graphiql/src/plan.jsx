// The panel that shows how the last operation ran: its plan as a tree, each load with its loader
// and its statement. While it is open, operations ask for their plan; the server tells it outside
// of production alone.
import { useEffect, useSyncExternalStore } from 'react';

import { plan, planWanted } from './stores.js';

const TITLE = 'Plan';

export const PLAN_PLUGIN = { title: TITLE, icon: PlanIcon, content: PlanPanel };

/** The header by which the server is asked; none while the panel is closed. */
export function planHeader() {
  return planWanted.get() ? { 'x-mela-plan': '1' } : {};
}

/** Keeps an answer's plan for the panel, and takes it out of what the response pane shows. */
export function noticePlan(result) {
  const { plan: told, ...extensions } = result?.extensions ?? {};
  if (!told) return result;
  plan.set(told);
  const { extensions: _, ...rest } = result;
  return Object.keys(extensions).length > 0 ? { ...rest, extensions } : rest;
}

function PlanIcon() {
  return (
    <svg height="1em" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5">
      <title>{TITLE}</title>
      <path d="M2 3h5M4 3v10M4 8h4M4 13h4" />
      <rect x="9" y="6.25" width="5" height="3.5" rx="1" />
      <rect x="9" y="11.25" width="5" height="3.5" rx="1" />
    </svg>
  );
}

function PlanPanel() {
  const told = useSyncExternalStore(plan.subscribe, plan.get);
  useEffect(() => {
    planWanted.set(true);
    return () => planWanted.set(false);
  }, []);
  return (
    <section className="mela-plan" aria-label="Plan of the last operation">
      <h2>{TITLE}</h2>
      {told ? <Told plan={told} /> : <p className="mela-quiet">Run an operation to see how it is executed.</p>}
    </section>
  );
}

function Told({ plan: { operation, kind, executor, cost, nodes } }) {
  const loads = nodes.reduce((sum, node) => sum + countLoads(node), 0);
  return (
    <>
      <p className="mela-quiet">
        <strong>
          {kind} {operation}
        </strong>{' '}
        · cost {cost} · {loads} {loads === 1 ? 'load' : 'loads'} · run by {executor}
      </p>
      {nodes.length === 0 && <p className="mela-quiet">Plans do not cover this operation.</p>}
      <Nodes nodes={nodes} />
    </>
  );
}

function countLoads({ loader, children = [] }) {
  return children.reduce((sum, child) => sum + countLoads(child), loader ? 1 : 0);
}

function Nodes({ nodes }) {
  return (
    <ul>
      {nodes.map((node) => (
        <PlanNode key={`${node.key} ${node.field}`} node={node} />
      ))}
    </ul>
  );
}

function PlanNode({ node }) {
  const children = node.children ?? [];
  const leaves = children.filter((child) => !child.children && !child.loader);
  const deeper = children.filter((child) => child.children || child.loader);
  return (
    <li>
      <span className={`mela-kind mela-kind-${node.kind}`}>{node.kind}</span>
      <strong>{node.key || `on ${node.type}`}</strong>
      {node.arguments && <code>({node.arguments})</code>}
      <span className="mela-quiet">
        {node.type}
        {node.cost > 0 && ` · cost ${node.cost}`}
        {node.rows > 1 && ` · ${node.rows} rows expected`}
      </span>
      {node.loader && <Load node={node} />}
      {leaves.length > 0 && <div className="mela-leaves">{leaves.map((leaf) => leaf.key).join(' ')}</div>}
      {deeper.length > 0 && <Nodes nodes={deeper} />}
    </li>
  );
}

function Load({ node: { loader, columns, statement, beside } }) {
  return (
    <details>
      <summary>
        {beside && 'beside the rows that lead there, or '}one statement by <code>{loader}</code>
        {columns && `, ${columns.length} ${columns.length === 1 ? 'column' : 'columns'}`}
      </summary>
      {statement && <pre>{statement}</pre>}
    </details>
  );
}
