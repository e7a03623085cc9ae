import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KubeObject } from './json.ts'
import { ApiError } from './status.ts'
import { matchesLabelSelector, parseLabelSelector } from './selector.ts'

const labelled = (labels: Record<string, string>): KubeObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', uid: '', resourceVersion: '', creationTimestamp: '', labels } })

describe('parseLabelSelector()', () => {
  test.each([
    ['', { a: 'b' }, true], ['a=b', { a: 'b' }, true], ['a==b', { a: 'c' }, false], ['a!=b', {}, true], ['a', { a: '' }, true], ['!a', { a: '' }, false], ['! a', {}, true],
    ['a in (b,c)', { a: 'c' }, true], ['a in (b,c)', {}, false], ['a notin (b)', {}, true], ['a notin (b)', { a: 'b' }, false], ['a in (b),c', { a: 'b' }, false],
    ['a>3', { a: '4' }, true], ['a<3', { a: '4' }, false], ['example.com/role=x', { 'example.com/role': 'x' }, true], ['a=', { a: '' }, true], [' a = b , c ', { a: 'b', c: 'd' }, true],
  ])('%j on %j is %j', (text, labels, wanted) => {
    expect(parseLabelSelector(text)(labelled(labels))).toBe(wanted)
  })

  test.each(['a=b=c', 'a in b', 'a in (b', '=b', 'a,,b', '-a', 'a=b c', '!', 'a in (b)x'])('refuses %j', text => {
    expect(() => parseLabelSelector(text)).toThrow(expect.objectContaining({ code: 400 }))
  })

  test('never throws anything but a refusal', () => {
    expect(() => fc.assert(fc.property(fc.string(), text => {
      try {
        parseLabelSelector(text)(labelled({ a: 'b' }))
      } catch (error) {
        return error instanceof ApiError && error.code === 400
      }
      return true
    }))).not.toThrow()
  })
})

describe('matchesLabelSelector()', () => {
  test('null selects nothing, empty everything, expressions as their operators say', () => {
    expect(matchesLabelSelector(undefined, {})).toBe(false)
    expect(matchesLabelSelector({}, { a: 'b' })).toBe(true)
    const selector = { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'NotIn', values: ['d'] }, { key: 'e', operator: 'DoesNotExist' }] }
    expect(matchesLabelSelector(selector, { a: 'b' })).toBe(true)
    expect(matchesLabelSelector(selector, { a: 'b', c: 'd' })).toBe(false)
    expect(matchesLabelSelector(selector, { a: 'b', e: '' })).toBe(false)
  })
})
