import { describe, expect, test } from 'vitest'
import type { WatchEvent } from './client.ts'
import { Fold, Staging } from './fold.ts'
import { isRecord } from './object.ts'
import { Store } from './store.ts'

interface Thing {
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly value: number
}

interface Raw {
  readonly metadata: { readonly name: string, readonly uid: string, readonly resourceVersion: string }
  readonly value: unknown
}

function raw(name: string, resourceVersion: number, value: unknown, uid = `uid-${name}`): Raw {
  return { metadata: { name, uid, resourceVersion: String(resourceVersion) }, value }
}

function trim(object: unknown): Thing {
  if (!isRecord(object) || !isRecord(object['metadata']) || typeof object['value'] !== 'number') throw new Error('value is no number')
  const { name, uid, resourceVersion } = object['metadata']
  return { name: String(name), uid: String(uid), resourceVersion: String(resourceVersion), value: object['value'] }
}

function setUp(initial: readonly unknown[] = [], position = '10') {
  const store = new Store<Thing>()
  const refused: unknown[] = []
  const fold = new Fold({ kind: 'Thing', apiVersion: 'weft.test/v1', name: 'things', path: '', trim }, store, { refused: (object) => refused.push(object), listenerFailed: () => {} })
  const commit = (objects: readonly unknown[], at: string): void => {
    const staging = new Staging<Thing>()
    for (const object of objects) fold.stage(staging, object)
    fold.commit(staging, at)
  }
  commit(initial, position)
  const apply = (type: WatchEvent['type'], object: unknown): boolean => fold.apply({ type, object })
  const content = (): Record<string, number> => Object.fromEntries([...store.values()].map(({ name, value }) => [name, value]))
  return { store, fold, refused, commit, apply, content }
}

describe('Fold.apply()', () => {
  test('ignores duplicates and replays, deletions among them', () => {
    const { apply, content } = setUp([raw('a', 5, 1), raw('b', 9, 1)])
    expect(apply('MODIFIED', raw('a', 11, 2))).toBe(true)
    expect(apply('MODIFIED', raw('a', 11, 2))).toBe(false)
    expect(apply('MODIFIED', raw('a', 7, 7))).toBe(false)
    expect(apply('DELETED', raw('b', 12, 1))).toBe(true)
    expect(apply('ADDED', raw('b', 9, 1))).toBe(false)
    expect(apply('DELETED', raw('a', 4, 1))).toBe(false)
    expect(content()).toEqual({ a: 2 })
  })

  test('takes a deletion that carries the last version of the object', () => {
    const { apply, content } = setUp([raw('a', 5, 1)])
    expect(apply('DELETED', raw('a', 5, 1))).toBe(true)
    expect(content()).toEqual({})
  })

  test('an old deletion does not hit a new object under the same name', () => {
    const { apply, content } = setUp([raw('a', 9, 2, 'second')])
    expect(apply('DELETED', raw('a', 8, 1, 'first'))).toBe(false)
    expect(content()).toEqual({ a: 2 })
  })

  test('moves on at bookmarks', () => {
    const { fold, apply } = setUp()
    apply('BOOKMARK', { metadata: { resourceVersion: '99' } })
    expect(fold.position).toBe('99')
    apply('BOOKMARK', { metadata: { resourceVersion: '98' } })
    expect(fold.position).toBe('99')
  })

  test('takes versions that are no numbers in the order they arrive', () => {
    const { apply, content } = setUp([], 'x')
    apply('ADDED', { metadata: { name: 'a', uid: 'u', resourceVersion: 'b' }, value: 1 })
    apply('MODIFIED', { metadata: { name: 'a', uid: 'u', resourceVersion: 'a' }, value: 2 })
    expect(content()).toEqual({ a: 2 })
  })

  test('refuses one object, keeps its last good version, tells once per version', () => {
    const { fold, apply, content, refused, commit } = setUp([raw('a', 5, 1), raw('b', 6, 1)])
    apply('MODIFIED', raw('a', 11, 'bad'))
    apply('MODIFIED', raw('b', 12, 2))
    expect(content()).toEqual({ a: 1, b: 2 })
    expect(fold.refusedCount).toBe(1)
    commit([raw('a', 11, 'bad'), raw('b', 12, 2)], '20')
    expect(content()).toEqual({ a: 1, b: 2 })
    expect(refused).toHaveLength(1)
    apply('MODIFIED', raw('a', 21, 'worse'))
    expect(refused).toHaveLength(2)
    apply('MODIFIED', raw('a', 22, 3))
    expect(content()).toEqual({ a: 3, b: 2 })
    expect(fold.refusedCount).toBe(0)
  })

  test('a refused object under a reused name removes the old one', () => {
    const { apply, content, commit } = setUp([raw('a', 5, 1), raw('b', 5, 1)])
    apply('ADDED', raw('a', 11, 'bad', 'second'))
    expect(content()).toEqual({ b: 1 })
    commit([raw('b', 15, 'bad', 'second')], '20')
    expect(content()).toEqual({})
  })

  test('a refused object that is deleted is gone', () => {
    const { fold, apply, content } = setUp([raw('a', 5, 1)])
    apply('MODIFIED', raw('a', 11, 'bad'))
    apply('DELETED', raw('a', 12, 'bad'))
    expect(content()).toEqual({})
    expect(fold.refusedCount).toBe(0)
  })

  test('refuses what has no name, and what is trimmed into something else', () => {
    const { apply, content, refused, fold } = setUp([raw('a', 5, 1)])
    apply('ADDED', { metadata: { resourceVersion: '11' } })
    expect(fold.position).toBe('11')
    apply('ADDED', 7)
    const store = new Store<Thing>()
    const liar = new Fold({ kind: 'Thing', apiVersion: 'weft.test/v1', name: 'things', path: '', trim: () => trim(raw('other', 1, 1)) }, store, { refused: (object) => refused.push(object), listenerFailed: () => {} })
    liar.apply({ type: 'ADDED', object: raw('a', 12, 1) })
    expect(store.size).toBe(0)
    expect(refused).toHaveLength(3)
    expect(content()).toEqual({ a: 1 })
  })

  test('a listener that throws stops nothing', () => {
    const { store, apply, content } = setUp([raw('a', 5, 1)])
    store.subscribe(() => { throw new Error('bug') })
    apply('MODIFIED', raw('a', 11, 2))
    expect(content()).toEqual({ a: 2 })
  })
})
