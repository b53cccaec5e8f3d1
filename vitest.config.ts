import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/bundles.ts',
    // Loaded as users load it, and not compiled once more.
    server: { deps: { external: [/\/packages\/[^/]+\/(?:dist|lib)\//] } },
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // One more than the two cores that this is to be done on in five minutes: tests of processes wait now and then.
    maxWorkers: 3,
    // Files that follow one another in a process share what they import: to load all of it for each of them takes a third
    // of the whole run. So a test puts back what it changes of the process.
    isolate: false,
  },
})
