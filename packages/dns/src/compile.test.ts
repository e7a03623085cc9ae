import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '@weft/daemon'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ClusterObjects, sampleCluster, storesOf } from '../test/cluster.ts'
import { configOf } from '../test/running.ts'
import { compile, zoneOptions } from './compile.ts'
import type { DnsModel } from './model.ts'
import { modelFromStores, watchStores } from './watch.ts'
import { formatZone } from './zone/zone-file.ts'

const golden = join(import.meta.dirname, '../test/golden')
const options = zoneOptions(configOf())

function modelOf(cluster: ClusterObjects): DnsModel {
  const stores = storesOf(cluster)
  watchStores(stores, { service: () => undefined, pod: () => undefined, change: () => undefined })
  return modelFromStores(stores, 1_767_225_600)
}

function readCluster(name: string): ClusterObjects {
  const file = join(golden, name, 'cluster.yaml')
  const { items } = loadConfig(z.strictObject({ items: z.array(z.looseObject({ kind: z.string(), metadata: z.looseObject({}) })) }), readFileSync(file, 'utf8'), { source: file })
  const ofKind = (kind: string): object[] => items.filter((item) => item.kind === kind)
  return { namespaces: ofKind('Namespace'), services: ofKind('Service'), slices: ofKind('EndpointSlice') }
}

describe('compile()', () => {
  test.each(readdirSync(golden))('gives the zone of golden %s', (name) => {
    const zone = compile(modelOf(readCluster(name)), options)
    const refused = [...zone.refused].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, error]) => `; refused: ${error.message}\n`)
    const text = formatZone(zone) + refused.join('')
    const file = join(golden, name, 'want.zone')
    if (process.env['GOLDEN'] === 'write' || !existsSync(file)) writeFileSync(file, text)
    expect(text).toBe(readFileSync(file, 'utf8'))
  })

  test('P11 gives the same zone whatever the order of the model', () => {
    const model = modelOf(sampleCluster)
    const shuffled: DnsModel = { ...model, services: model.services.toReversed(), namespaces: model.namespaces.toReversed(), pods: model.pods.toReversed() }
    expect(formatZone(compile(shuffled, options))).toBe(formatZone(compile(model, options)))
  })

  test('P10 refuses a Service without a place in the zone alone', () => {
    const zone = compile(modelOf(readCluster('hostile')), options)
    expect([...zone.refused.keys()].sort()).toEqual(['default/a.dotted.name', 'default/bad-alias', 'default/ünicode'])
    expect([...zone.services.keys()].sort()).toEqual(['default/bad-hostname', 'default/good'])
  })

  test('DNS-11, DNS-58: an address of two headless Services has two pointers, the same Service in two slices one', () => {
    const text = formatZone(compile(modelOf(readCluster('stateful-set')), options))
    expect(text.split('\n').filter((line) => line.startsWith('10.1.244.10.in-addr.arpa.'))).toHaveLength(2)
  })
})
