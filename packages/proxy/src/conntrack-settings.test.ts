import { collectingLogger } from '@weft/daemon/testing'
import { describe, expect, test } from 'vitest'
import { proxyConfigSchema } from './config.ts'
import { type Sysctls, tuneConntrack } from './conntrack-settings.ts'

const max = 'net.netfilter.nf_conntrack_max'
const established = 'net.netfilter.nf_conntrack_tcp_timeout_established'
const closeWait = 'net.netfilter.nf_conntrack_tcp_timeout_close_wait'
const proxy = { whenReady: () => Promise.resolve() }

/** A kernel with these settings; what is written to it, in order. */
function kernel(values: Readonly<Record<string, string>>, readOnly: readonly string[] = []): { readonly sysctls: Sysctls, readonly written: string[] } {
  const written: string[] = []
  return {
    written,
    sysctls: {
      read: async (names) => Object.fromEntries(names.map((name) => [name, values[name]!])),
      write: async (settings) => {
        for (const [name, value] of Object.entries(settings)) {
          if (readOnly.includes(name)) throw new Error('EACCES')
          written.push(`${name}=${value}`)
        }
      },
    },
  }
}

describe('tuneConntrack()', () => {
  const tune = async (config: object, cores: number, { sysctls }: ReturnType<typeof kernel>): Promise<readonly string[]> => {
    const logger = collectingLogger()
    await tuneConntrack({ config: proxyConfigSchema.parse(config).conntrack, cores, sysctls, proxy, logger }, new AbortController().signal)
    return logger.lines.map(({ message, fields }) => `${message} ${String(fields?.['sysctl'])}`)
  }

  test.each([
    ['few cores', 2, '131072'],
    ['many cores', 64, '2097152'],
  ])('SVC-27 makes the table as large as kube-proxy does and sets its time-outs: %s', async (_name, cores, size) => {
    const own = kernel({ [max]: '65536', [established]: '432000', [closeWait]: '60' })
    await tune({}, cores, own)
    expect(own.written).toEqual([`${max}=${size}`, `${established}=86400`, `${closeWait}=3600`])
  })

  test('SVC-27 writes nothing that is so already, and leaves a larger table', async () => {
    const own = kernel({ [max]: '1048576', [established]: '86400', [closeWait]: '3600' })
    expect([await tune({}, 2, own), own.written]).toEqual([[], []])
  })

  test('what cannot be written is told by its name, and the rest is written', async () => {
    const own = kernel({ [max]: '65536', [established]: '432000', [closeWait]: '60' }, [max])
    expect(await tune({ conntrack: { tcpCloseWaitTimeout: '2h' } }, 2, own)).toEqual([`sysctl cannot be set ${max}`, `sysctl set ${established}`, `sysctl set ${closeWait}`])
    expect(own.written).toEqual([`${established}=86400`, `${closeWait}=7200`])
  })

  test('leaves all of it alone where something else sets it', async () => {
    const own = kernel({})
    expect([await tune({ conntrack: 'leave' }, 2, own), own.written]).toEqual([[], []])
  })
})
