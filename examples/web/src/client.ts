// The two ways to the server: urql for questions and changes, one socket for what is pushed.
import { Client, fetchExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { accessToken } from './session';

export const client = new Client({
  url: '/graphql',
  exchanges: [fetchExchange],
  preferGetMethod: false,
  fetchOptions: () => {
    const token = accessToken();
    return token ? { headers: { authorization: `Bearer ${token}` } } : {};
  },
});

const address = new URL('/graphql', window.location.href);
address.protocol = address.protocol.replace('http', 'ws');

// It does not retry by itself: that would ask again with the first cursor. `follow` goes on with
// the last one.
export const socket = createClient({
  url: address.href,
  retryAttempts: 0,
  connectionParams: () => {
    const token = accessToken();
    return token ? { authorization: `Bearer ${token}` } : {};
  },
});
