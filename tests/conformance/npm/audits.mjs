// npm's graphql-http audits a server: node audits.mjs URL; prints its results as JSON.
//
// A GET is what any page could make a browser send, so this server wants a header with it that no
// page can send unasked (docs/guides/http.md). The suite knows of no such header: it is added here,
// as every client of ours adds it, and nothing else is changed.
import { serverAudits } from 'graphql-http';

const [url] = process.argv.slice(2);

function fetchFn(address, options = {}) {
  const isGet = (options.method ?? 'GET') === 'GET';
  const headers = isGet ? { ...options.headers, 'graphql-preflight': '1' } : options.headers;
  return fetch(address, { ...options, headers });
}

const results = [];
for (const { id, name, fn } of serverAudits({ url, fetchFn })) {
  const { status, reason, response } = await fn();
  results.push({ id, name, status, reason, answered: response && response.status });
}
console.log(JSON.stringify(results));
