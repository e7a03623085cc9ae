import { parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import type { Element } from './elements.ts'
import { sets } from './sets.ts'
import { SharedElements } from './shared-elements.ts'

const pod = parseIp('10.244.0.5')
const hairpin: Element = { set: sets[4].hairpin, id: 'pod', value: '', element: { key: [pod, pod] } }
const endpoint = (value: string): Element => ({ set: sets[4].endpoint, id: 'port.0', value, element: { key: [pod, 6, 80, 0], data: [pod, 8080] } })

describe('SharedElements', () => {
  test('replace() writes an element of two owners once, and deletes it with the last', () => {
    const elements = new SharedElements()
    expect(elements.replace([], [hairpin, hairpin])).toEqual({ added: [hairpin], removed: [] })
    expect(elements.replace([], [hairpin])).toEqual({ added: [], removed: [] })
    expect(elements.replace([hairpin, hairpin], [])).toEqual({ added: [], removed: [] })
    expect(elements.replace([hairpin], [hairpin])).toEqual({ added: [], removed: [] })
    expect(elements.replace([hairpin], [])).toEqual({ added: [], removed: [hairpin] })
  })

  test('replace() deletes what changes its data before it adds it', () => {
    const elements = new SharedElements()
    expect(elements.replace([endpoint('a')], [endpoint('b')])).toEqual({ added: [endpoint('b')], removed: [endpoint('a')] })
    expect(elements.replace([endpoint('a')], [endpoint('a')])).toEqual({ added: [], removed: [] })
  })
})
