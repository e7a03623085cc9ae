/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { conflicts, fieldsOf, overlay, subtract, union, without } from './field-set.ts'
import { jsonPatch } from './json-patch.ts'
import { mergePatch } from './merge-patch.ts'
import { messageShape, schemaShape } from './shape.ts'
import { strategicMergePatch } from './strategic-merge-patch.ts'

describe('jsonPatch()', () => {
  const document = { a: { b: [1, 2, 3] }, 'x/y~z': 1 }
  test.each([
    [[{ op: 'add', path: '/a/b/1', value: 9 }], { a: { b: [1, 9, 2, 3] }, 'x/y~z': 1 }],
    [[{ op: 'add', path: '/a/b/-', value: 9 }], { a: { b: [1, 2, 3, 9] }, 'x/y~z': 1 }],
    [[{ op: 'remove', path: '/a/b/0' }], { a: { b: [2, 3] }, 'x/y~z': 1 }],
    [[{ op: 'replace', path: '/x~1y~0z', value: 2 }], { a: { b: [1, 2, 3] }, 'x/y~z': 2 }],
    [[{ op: 'move', from: '/a/b', path: '/c' }], { a: {}, c: [1, 2, 3], 'x/y~z': 1 }],
    [[{ op: 'copy', from: '/a/b/2', path: '/a/b/0' }], { a: { b: [3, 1, 2, 3] }, 'x/y~z': 1 }],
    [[{ op: 'test', path: '/a/b/0', value: 1 }, { op: 'remove', path: '/a' }], { 'x/y~z': 1 }],
  ])('%j', (patch, wanted) => {
    expect(jsonPatch(document, patch)).toEqual(wanted)
    expect(document).toEqual({ a: { b: [1, 2, 3] }, 'x/y~z': 1 })
  })
  test.each([[[{ op: 'test', path: '/a', value: 1 }]], [[{ op: 'remove', path: '/no' }]], [[{ op: 'replace', path: '/no', value: 1 }]], [[{ op: 'add', path: '/a/b/9', value: 1 }]], [[{ op: 'add', path: '/no/x', value: 1 }]]])('422 for %j', patch => {
    expect(() => jsonPatch(document, patch)).toThrow(expect.objectContaining({ code: 422 }))
  })
  test('400 for what is no patch, and a hostile name stays a name', () => {
    expect(() => jsonPatch(document, {})).toThrow(expect.objectContaining({ code: 400 }))
    expect(() => jsonPatch(document, [{ op: 'dance', path: '' }])).toThrow(expect.objectContaining({ code: 400 }))
    jsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})

test('mergePatch() follows the examples of RFC 7396', () => {
  for (const [target, patch, wanted] of [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }], [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }], [{ a: 'b' }, { a: null }, {}], [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }], [['a', 'b'], ['c'], ['c']], [{ a: 'foo' }, null, null], [{ e: null }, { a: 1 }, { e: null, a: 1 }], [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ] as const) expect(mergePatch(target as never, patch as never)).toEqual(wanted)
})

describe('strategicMergePatch()', () => {
  const pod = { spec: { containers: [{ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b', image: '1' }], tolerations: [{ key: 'k' }] }, metadata: { finalizers: ['x'] } }
  const apply = (patch: object): typeof pod => strategicMergePatch(pod, patch as never, 'core.Pod') as never

  test('merges lists by their key', () => {
    expect(apply({ spec: { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] } }).spec.containers).toEqual([{ name: 'a', image: '1', env: [{ name: 'X', value: '1' }, { name: 'Y', value: '2' }] }, { name: 'b', image: '1' }])
    expect(apply({ spec: { containers: [{ name: 'c', image: '1' }] } }).spec.containers).toHaveLength(3)
  })
  test('obeys the directives', () => {
    expect(apply({ spec: { containers: [{ name: 'a', $patch: 'delete' }], '$setElementOrder/containers': [{ name: 'b' }] } }).spec).toEqual({ containers: [{ name: 'b', image: '1' }], tolerations: [{ key: 'k' }] })
    expect(apply({ spec: { containers: [{ $patch: 'replace' }, { name: 'z', image: '1' }] } }).spec.containers).toEqual([{ name: 'z', image: '1' }])
    expect(apply({ metadata: { finalizers: ['y'] } }).metadata.finalizers).toEqual(['x', 'y'])
    expect(apply({ metadata: { '$deleteFromPrimitiveList/finalizers': ['x'] } }).metadata.finalizers).toEqual([])
    const strategy = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } }
    expect(strategicMergePatch(strategy, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }, 'apps.Deployment')).toEqual({ spec: { strategy: { type: 'Recreate' } } })
  })
  test('replaces lists without a key, deletes by null, refuses items without their key', () => {
    expect(apply({ spec: { tolerations: [{ key: 'z' }] } }).spec.tolerations).toEqual([{ key: 'z' }])
    expect(apply({ spec: { tolerations: null } }).spec).not.toHaveProperty('tolerations')
    expect(() => apply({ spec: { containers: [{ image: '2' }] } })).toThrow(/does not contain declared merge key: name/u)
  })
})

describe('field sets', () => {
  const shape = messageShape('core.Pod')
  const config = { spec: { containers: [{ name: 'a', image: '1', ports: [{ containerPort: 80 }] }], nodeSelector: { x: 'y' }, terminationGracePeriodSeconds: 1 } }

  test('fieldsOf() names items by their keys and atomic values as a whole', () => {
    expect(fieldsOf(config, shape)).toEqual({
      'f:spec': {
        'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:name': {}, 'f:image': {}, 'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } } } },
        'f:nodeSelector': {},
        'f:terminationGracePeriodSeconds': {},
      },
    })
    const widget = schemaShape({ type: 'object', properties: { tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } }, plain: { type: 'array', items: { type: 'string' } } } })
    expect(fieldsOf({ tags: ['a'], plain: ['b'] }, widget)).toEqual({ 'f:tags': { 'v:"a"': { '.': {} } }, 'f:plain': {} })
  })

  test('what an applier gives up goes, what others set stays', () => {
    const live = { spec: { ...config.spec, containers: [...config.spec.containers, { name: 'b', image: '1' }], schedulerName: 's' } }
    const next = { spec: { containers: [{ name: 'a', image: '2' }] } }
    const dropped = subtract(fieldsOf(config, shape), fieldsOf(next, shape))
    expect(overlay(without(live, dropped, shape), next, shape)).toEqual({ spec: { containers: [{ name: 'a', image: '2' }, { name: 'b', image: '1' }], schedulerName: 's' } })
  })

  test('conflicts() names fields that would change, not those that agree', () => {
    const wanted = { spec: { containers: [{ name: 'a', image: '2' }], terminationGracePeriodSeconds: 1 } }
    expect(conflicts(fieldsOf(wanted, shape), fieldsOf(config, shape), { live: config, wanted, shape })).toEqual(['.spec.containers[{"name":"a"}].image'])
  })

  test('union() and subtract() are those of sets', () => {
    const set = fc.letrec(tie => ({ node: fc.dictionary(fc.constantFrom('f:a', 'f:b', 'f:c'), fc.oneof({ depthSize: 'small', maxDepth: 4 }, fc.constant({}), tie('node'))) })).node as fc.Arbitrary<Record<string, never>>
    fc.assert(fc.property(set, set, (a, b) => {
      expect(subtract(a, union(a, b))).toEqual({})
      expect(union(a, a)).toEqual(a)
    }))
  })
})
