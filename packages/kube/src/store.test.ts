import { describe, expect, test } from 'vitest'
import { isKubeError } from './errors.ts'
import { type Change, Store } from './store.ts'
import { storeOf } from './testing/store-of.ts'

interface Thing {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: Readonly<Record<string, string>>
}

function thing(name: string, resourceVersion: string, labels: Record<string, string> = {}): Thing {
  return { namespace: 'shop', name, uid: `uid-${name}`, resourceVersion, labels }
}

function recorder(): { readonly changes: string[], readonly listener: (change: Change<Thing>) => void } {
  const changes: string[] = []
  return { changes, listener: (change) => changes.push(`${change.kind} ${change.key} ${change.old?.resourceVersion ?? '-'} ${change.new?.resourceVersion ?? '-'}`) }
}

describe('Store', () => {
  test('put() tells added, then updated, then remove() tells removed, each once', () => {
    const store = storeOf<Thing>()
    const { changes, listener } = recorder()
    store.subscribe(listener)
    store.put(thing('a', '1'))
    store.put(thing('a', '2', { app: 'x' }))
    store.remove('shop/a')
    store.remove('shop/a')
    expect(changes).toEqual(['added shop/a - 1', 'updated shop/a 1 2', 'removed shop/a 2 -'])
  })

  test('put() keeps a new resourceVersion without telling anybody', () => {
    const store = storeOf([thing('a', '1')], { indexes: { all: () => 'x' } })
    const { changes, listener } = recorder()
    store.subscribe(listener)
    store.put(thing('a', '2'))
    expect(changes).toEqual([])
    expect(store.get('shop/a')?.resourceVersion).toBe('2')
    expect(store.by('all', 'x')[0]?.resourceVersion).toBe('2')
  })

  test('put() freezes to the bottom', () => {
    const store = storeOf([thing('a', '1', { app: 'x' })])
    expect(Object.isFrozen(store.get('shop/a')?.labels)).toBe(true)
  })

  test('replace() tells differences only, removals first', () => {
    const store = storeOf([thing('a', '1'), thing('b', '1'), thing('c', '1')])
    const { changes, listener } = recorder()
    store.subscribe(listener)
    store.replace([thing('d', '5'), thing('a', '4', { app: 'x' }), thing('b', '1')])
    expect(changes).toEqual(['removed shop/c 1 -', 'added shop/d - 5', 'updated shop/a 1 4'])
  })

  test('hasSynced is false until the first replace(), which resolves whenSynced()', async () => {
    const store = new Store<Thing>()
    let during: boolean | undefined
    store.subscribe(() => { during = store.hasSynced })
    const synced = store.whenSynced()
    store.replace([thing('a', '1')])
    await synced
    expect(during).toBe(false)
    expect(store.hasSynced).toBe(true)
  })

  test('whenSynced() rejects when aborted', async () => {
    const controller = new AbortController()
    const waiting = new Store<Thing>().whenSynced(controller.signal)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  test('by() follows changes and never shows a stale object to a listener', () => {
    const store = storeOf<Thing>([], { indexes: { app: ({ labels }) => labels['app'] } })
    const seen: number[] = []
    store.subscribe(() => seen.push(store.by('app', 'x').length))
    store.put(thing('a', '1', { app: 'x' }))
    store.put(thing('b', '2', { app: 'x' }))
    store.put(thing('a', '3', { app: 'y' }))
    store.remove('shop/b')
    expect(seen).toEqual([1, 2, 1, 0])
    expect([...store.indexKeys('app')]).toEqual(['y'])
  })

  test('by() lists few and many alike while they come, change and go', () => {
    const store = new Store<Thing>({ indexes: { owner: ({ labels }) => labels['owner'] } })
    const names = Array.from({ length: 40 }, (_, index) => `t${index}`)
    const listed = (): readonly string[] => store.by('owner', 'a').map(({ name }) => name).toSorted()
    for (const [index, name] of names.entries()) {
      store.put(thing(name, '1', { owner: 'a' }))
      expect(listed()).toEqual(names.slice(0, index + 1).toSorted())
    }
    const before = store.by('owner', 'a')
    store.put(thing('t0', '2', { owner: 'b' }))
    expect([before.length, listed().length, store.by('owner', 'b').length, [...store.indexKeys('owner')].toSorted()]).toEqual([40, 39, 1, ['a', 'b']])
    for (const name of names) store.remove(`shop/${name}`)
    expect([listed(), [...store.indexKeys('owner')]]).toEqual([[], []])
  })

  test('addIndex() covers what is there already', () => {
    const store = storeOf([thing('a', '1', { app: 'x', tier: 'x' })])
    store.addIndex('label', ({ labels }) => Object.values(labels))
    expect(store.by('label', 'x').map(({ name }) => name)).toEqual(['a'])
    expect(() => store.by('nope', 'x')).toThrow(RangeError)
  })

  test('subscribe() replays the content on request, and nothing twice', () => {
    const store = storeOf([thing('a', '1')])
    const { changes, listener } = recorder()
    const stop = store.subscribe(listener, { replay: true })
    store.put(thing('b', '2'))
    stop()
    store.put(thing('c', '3'))
    expect(changes).toEqual(['added shop/a - 1', 'added shop/b - 2'])
  })

  test('subscribe() during a change does not tell that change again', () => {
    const store = storeOf<Thing>()
    const { changes, listener } = recorder()
    const stop = store.subscribe(() => {
      stop()
      store.subscribe(listener, { replay: true })
    })
    store.put(thing('a', '1'))
    expect(changes).toEqual(['added shop/a - 1'])
  })

  test('put() completes for everybody before it reports a listener that threw', () => {
    const store = storeOf<Thing>()
    const { changes, listener } = recorder()
    store.subscribe(() => { throw new Error('bug') })
    store.subscribe(listener)
    const caught = (() => {
      try {
        store.replace([thing('a', '1'), thing('b', '1')])
      } catch (error) {
        return error
      }
    })()
    expect(isKubeError(caught) && caught.code).toBe('ERR_KUBE_LISTENER')
    expect(changes).toHaveLength(2)
  })
})
