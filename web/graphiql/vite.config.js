import { defineConfig } from 'vite';

// Everything is served from Mela's own origin under /graphiql/ with content-hashed names,
// so web/graphiql_page.py can send a strict Content-Security-Policy and cache for ever.
export default defineConfig({
  base: '/graphiql/',
  publicDir: false,
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    // Nothing but fonts inside stylesheets may become a data: URL; a worker never may.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 6000,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    emptyOutDir: true,
    rolldownOptions: {
      // The libraries' "use client" marks mean nothing outside a server renderer.
      onLog(level, log, report) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
});
