import { describe, expect, test } from 'vitest'
import { type Answer, type Ask, Asker, formatAsk } from './ask.ts'
import { CheckFailure } from './check.ts'
import type { Cluster, Place } from './cluster.ts'

const pod: Place = { kind: 'pod', namespace: 'demo', name: 'client' }

/** A cluster whose probe answers by a function, and which keeps what it ran. */
function fakeCluster(answer: (ask: Ask) => Answer): { readonly cluster: Cluster, readonly runs: Ask[][] } {
  const runs: Ask[][] = []
  const cluster = {
    ask: async (_place: Place, questions: string) => {
      const asks = JSON.parse(questions) as Ask[]
      runs.push(asks)
      return { code: 0, stdout: JSON.stringify(asks.map(answer)), stderr: '' }
    },
  } as unknown as Cluster
  return { cluster, runs }
}

const http = (path: string): Ask => ({ kind: 'http', host: '10.0.0.1', port: 80, path })
const signal = new AbortController().signal

describe('Asker', () => {
  test('asks of one turn from one place travel in one run, each with its own answer', async () => {
    const { cluster, runs } = fakeCluster((ask) => ({ ok: true, answers: [ask.kind === 'http' ? ask.path : ''], ms: 1 }))
    const ask = new Asker(cluster, signal)
    expect(await Promise.all([ask.from(pod, http('/a')), ask.from(pod, http('/b')), ask.from({ kind: 'outside' }, http('/c'))])).toEqual([['/a'], ['/b'], ['/c']])
    expect(runs.map((run) => run.length)).toEqual([2, 1])
    await ask.from(pod, http('/later'))
    expect(runs.length).toBe(3)
  })

  test('from() fails with who asked what and how it ended; try() does not', async () => {
    const { cluster } = fakeCluster(() => ({ ok: false, answers: [], error: 'REFUSED', ms: 3 }))
    const ask = new Asker(cluster, signal)
    await expect(ask.from(pod, http('/x'))).rejects.toThrow('demo/client asked http 10.0.0.1:80/x: REFUSED after 3 ms')
    expect(await ask.try(pod, http('/x'))).toMatchObject({ ok: false, error: 'REFUSED' })
  })

  test('a probe that prints something else fails every ask of its run', async () => {
    const cluster = { ask: async () => ({ code: 1, stdout: '', stderr: 'no such container' }) } as unknown as Cluster
    const ask = new Asker(cluster, signal)
    const failed = await Promise.allSettled([ask.from(pod, http('/a')), ask.from(pod, http('/b'))])
    expect(failed.map((result) => result.status)).toEqual(['rejected', 'rejected'])
    await expect(ask.from(pod, http('/a'))).rejects.toThrow(CheckFailure)
    await expect(ask.from(pod, http('/a'))).rejects.toThrow('no such container')
  })
})

test('formatAsk() puts IPv6 literals in brackets', () => {
  expect(formatAsk({ kind: 'udp', host: 'fd00::1', port: 53, message: '' })).toBe('udp [fd00::1]:53')
  expect(formatAsk({ kind: 'dns', name: 'web.demo', type: 'SRV' })).toBe('SRV web.demo')
})
