import { defineConfig, type ViteUserConfig } from 'vitest/config'

// Three kinds of test, three projects (CONTRIBUTING.md):
//   unit    pure, in milliseconds, beside the code
//   kernel  real kernel, in namespaces of their own; `./weft test kernel` wraps the run in `unshare`
//   e2e     a whole cluster
const conditions = ['dev', 'node', 'import', 'module', 'default']
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } }

const config: ViteUserConfig = defineConfig({
  ...shared,
  test: {
    passWithNoTests: true,
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/*.kernel.test.ts'],
          // Files share a process and what it has loaded, which is half of the work: a test leaves nothing behind.
          isolate: false,
          // They take milliseconds; a machine with other work to do is no failure.
          testTimeout: 30_000,
        },
      },
      {
        ...shared,
        test: {
          name: 'kernel',
          include: ['packages/*/src/**/*.kernel.test.ts'],
          pool: 'forks',
          // Kernel tests share the machine's RTNL lock; two at a time keep both cores busy.
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        ...shared,
        // On a cluster of its own, in namespaces of this machine.
        test: { name: 'e2e', include: ['e2e/*.test.ts'], pool: 'forks', fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 },
      },
      {
        ...shared,
        // On the cluster that WEFT_CLUSTER describes (`./weft test e2e --cluster FILE`).
        test: { name: 'cluster', include: process.env['WEFT_CLUSTER'] === undefined ? [] : ['e2e/cluster/*.test.ts'], pool: 'forks', fileParallelism: false, testTimeout: 600_000, hookTimeout: 600_000 },
      },
    ],
  },
})

export default config
