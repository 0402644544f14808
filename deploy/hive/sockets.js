// Subscriptions of subgraphs over graphql-transport-ws, one socket for each caller's token. In place of
// Hive's own transport for two reasons: that one asks again by itself when a socket is lost, with the
// first cursor, so that events would come twice; and it loses the texts and codes of refusals.
import { buildGraphQLWSExecutor } from "@graphql-tools/executor-graphql-ws";
import { DisposableSymbols } from "@whatwg-node/disposablestack";
import { GraphQLError } from "graphql";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { authorizationOf } from "./caller.js";

const IDLE_MS = 3_000; // a socket without subscriptions is kept so long
const FORBIDDEN = 4403;

function refusal(reason) {
  // An `error` message of the protocol: the errors as the subgraph told them.
  if (Array.isArray(reason)) return { errors: reason.map((e) => new GraphQLError(e.message, e)) };
  if (reason?.code === FORBIDDEN) {
    return refused("the access token is not valid", "UNAUTHENTICATED", { reason: "INVALID" });
  }
  // Who follows asks again, after the last cursor it saw.
  return refused("the subscription was lost: resume after its last cursor", "SUBSCRIPTION_LOST");
}

function refused(message, code, details = {}) {
  return { errors: [new GraphQLError(message, { extensions: { code, details } })] };
}

async function* told(results) {
  try {
    yield* results;
  } catch (reason) {
    yield refusal(reason);
  }
}

export const sockets = {
  getSubgraphExecutor({ transportEntry }) {
    const url = transportEntry.location.replace(/^http/, "ws");
    const open = new Map();

    function executorFor(authorization) {
      if (!open.has(authorization)) {
        const client = createClient({
          url,
          webSocketImpl: WebSocket,
          lazy: true,
          lazyCloseTimeout: IDLE_MS,
          retryAttempts: 0,
          connectionParams: authorization ? { authorization } : {},
          on: { closed: () => open.delete(authorization) },
        });
        open.set(authorization, { client, execute: buildGraphQLWSExecutor(client) });
      }
      return open.get(authorization).execute;
    }

    function execute(request) {
      return told(executorFor(authorizationOf(request.context))(request));
    }
    const dispose = () => Promise.all([...open.values()].map(({ client }) => client.dispose()));
    return Object.assign(execute, { [DisposableSymbols.asyncDispose]: dispose });
  },
};
