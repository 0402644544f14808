// Who asks: the token that goes on to subgraphs. It comes in the header or, on a socket, as a parameter
// of the connection, which then counts: the header of a handshake may be a proxy's.
export function authorizationOf(context, request = context?.request) {
  const { authorization, Authorization } = context?.connectionParams ?? {};
  return authorization ?? Authorization ?? request?.headers.get("authorization") ?? undefined;
}

// Where they ask from: subgraphs count by it who has no token. They believe it with
// MELA_TRUST_FORWARDED_FOR, and so do we of the proxy before us.
export function addressOf(context, request) {
  const told = process.env.MELA_TRUST_FORWARDED_FOR === "true" && request?.headers.get("x-forwarded-for");
  return told || (context?.req ?? context?.extra?.request)?.socket?.remoteAddress;
}
