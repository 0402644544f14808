// Who asks: the token that goes on to subgraphs. It comes in the header or, on a socket, as a parameter
// of the connection, which then counts: the header of a handshake may be a proxy's.
export function authorizationOf(context, request = context?.request) {
  const { authorization, Authorization } = context?.connectionParams ?? {};
  return authorization ?? Authorization ?? request?.headers.get("authorization") ?? undefined;
}
