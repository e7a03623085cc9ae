import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KubeObject } from './json.ts'
import { JournalError } from './journal.ts'
import { ObjectStore } from './store.ts'

let folder: string
let journalPath: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-store-'))
  journalPath = join(folder, 'journal.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const object = (name: string, data = 'x'): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' }, data: { x: data } })
const open = (): ObjectStore => ObjectStore.open({ journalPath, ringSize: 100 })

describe('ObjectStore', () => {
  test('comes back with everything, its revision and the history for watches', () => {
    const store = open()
    const first = store.put('configmaps', 'default/a', object('a'))
    store.put('configmaps', 'default/b', object('b'))
    store.remove('configmaps', 'default/a')
    const { revision } = store
    store.close()
    const again = open()
    expect(again.revision).toBe(revision)
    expect(again.list('configmaps').map(item => item.key)).toEqual(['default/b'])
    expect(again.changesAfter('configmaps', first.revision)?.map(event => `${event.kind} ${event.key}`)).toEqual(['added default/b', 'deleted default/a'])
    expect(again.put('configmaps', 'default/c', object('c')).revision).toBe(revision + 1)
    again.close()
  })

  test('drops a last line that was cut short: nobody was told of it', () => {
    const store = open()
    store.put('configmaps', 'default/a', object('a'))
    store.close()
    const { size } = statSync(journalPath)
    appendFileSync(journalPath, '{"revision":3,"storage":"configmaps","key":"default/b","obj')
    const again = open()
    expect(again.list('configmaps')).toHaveLength(1)
    expect(statSync(journalPath).size).toBe(size)
    again.put('configmaps', 'default/b', object('b'))
    again.close()
    const third = open()
    expect(third.list('configmaps')).toHaveLength(2)
    third.close()
  })

  test('refuses a journal damaged in its middle, naming the line', () => {
    const store = open()
    for (const name of ['a', 'b']) store.put('configmaps', `default/${name}`, object(name))
    store.close()
    const lines = readFileSync(journalPath, 'utf8').split('\n')
    lines[1] = '{broken'
    writeFileSync(journalPath, lines.join('\n'))
    expect(open).toThrow(JournalError)
    expect(open).toThrow(/line 2 is damaged/u)
  })

  test('rewrites a journal that is mostly history, and says 410 for what it forgot', () => {
    const store = open()
    const big = 'x'.repeat(200_000)
    store.put('configmaps', 'default/kept', object('kept'))
    for (let index = 0; index < 100; index++) store.put('configmaps', 'default/a', object('a', `${big}${index}`))
    store.remove('configmaps', 'default/a')
    const { revision } = store
    expect(statSync(journalPath).size).toBeLessThan(8_000_000)
    store.close()
    const again = open()
    expect(again.revision).toBe(revision)
    expect(again.list('configmaps').map(item => item.key)).toEqual(['default/kept'])
    expect(again.changesAfter('configmaps', 2)).toBeUndefined()
    again.close()
  })

  test('list() keeps the order of keys through all changes', () => {
    const store = ObjectStore.open({ ringSize: 10 })
    store.list('configmaps')
    for (const name of ['m', 'a', 'z', 'b', 'a']) store.put('configmaps', `default/${name}`, object(name))
    store.put('configmaps', 'other/a', object('a'))
    store.remove('configmaps', 'default/m')
    expect(store.list('configmaps').map(item => item.key)).toEqual(['default/a', 'default/b', 'default/z', 'other/a'])
    expect(store.list('configmaps', 'default')).toHaveLength(3)
    expect(store.list('configmaps', 'defaul')).toHaveLength(0)
  })

  test('objects that were stored cannot be changed', () => {
    const store = ObjectStore.open({ ringSize: 10 })
    const item = store.put('configmaps', 'default/a', object('a'))
    expect(() => {
      item.object.metadata.name = 'other'
    }).toThrow(TypeError)
  })
})
