import { defineConfig } from 'vite';

// The page and the server are one origin to the browser: no CORS, and the socket's Origin fits.
const target = process.env.MELA_URL ?? 'http://127.0.0.1:8000';
const proxy = { '/graphql': { target, ws: true } };

export default defineConfig({
  build: { target: 'es2022', reportCompressedSize: false },
  server: { proxy },
  preview: { proxy },
});
