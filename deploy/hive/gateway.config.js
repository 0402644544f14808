// Hive Gateway before Mela's subgraphs: plans by Hive Router's planner, passes the caller's token on,
// and follows subscriptions over WebSockets or, with MELA_SUBSCRIPTIONS=sse, over server-sent events.
import { defineConfig } from "@graphql-hive/gateway";
import { unifiedGraphHandler, useQueryPlan } from "@graphql-hive/router-runtime";
import http from "@graphql-mesh/transport-http";
import { addressOf, authorizationOf } from "./caller.js";
import { sockets } from "./sockets.js";

// Without an entry of their own, subscriptions go by HTTP, which subgraphs stream as events.
const subscriptions = { ws: { kind: "sockets" }, sse: undefined };
const kind = process.env.MELA_SUBSCRIPTIONS ?? "ws";
if (!(kind in subscriptions)) throw new Error(`MELA_SUBSCRIPTIONS must be ws or sse, not ${kind}`);

export const gatewayConfig = defineConfig({
  unifiedGraphHandler,
  transports: { http, sockets },
  transportEntries: { "*.http": { options: { subscriptions: subscriptions[kind] } } },
  propagateHeaders: {
    fromClientToSubgraphs({ request, context }) {
      return {
        authorization: authorizationOf(context, request),
        "x-forwarded-for": addressOf(context, request),
        // Subgraphs take what a browser could send by a mere link or form only with this header.
        "graphql-preflight": "1",
      };
    },
  },
  // Subgraphs mask and code their errors: clients act on those codes, so they stay.
  subgraphErrors: { errorCode: false, subgraphNameProp: false },
  maskedErrors: false,
  plugins: () => [
    useQueryPlan({ expose: (request) => request?.headers.get("hive-expose-query-plan") === "true" }),
  ],
});
