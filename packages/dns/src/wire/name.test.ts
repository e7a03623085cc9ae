import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { name as anyName } from '../../test/arbitraries.ts'
import { DnsFormatError } from './dns-format-error.ts'
import { equalName, formatName, labelsOf, nameBelow, nameKey, parseName, readName, rootName, skipName, writeName } from './name.ts'

describe('parseName()', () => {
  test('takes names with and without the final dot', () => {
    expect(parseName('a.example')).toEqual(parseName('a.example.'))
    expect(formatName(parseName('A.Example'))).toBe('A.Example.')
    expect(parseName('.')).toBe(rootName)
    expect(formatName(rootName)).toBe('.')
  })

  test('keeps a dot inside a label apart from dots between labels', () => {
    const name = parseName(String.raw`a\.b.\032\255.c`)
    expect(labelsOf(name).map((label) => [...label])).toEqual([[0x61, 0x2e, 0x62], [32, 255], [0x63]])
    expect(formatName(name)).toBe(String.raw`a\.b.\ \255.c.`)
  })

  test.each(['', 'a..b', '.a', 'x'.repeat(64), 'a.'.repeat(128), 'é', String.raw`\256`, 'a\\'])('refuses %j', (text) => {
    expect(() => parseName(text)).toThrow(SyntaxError)
  })

  test('reads what formatName() prints', () => {
    fc.assert(fc.property(anyName, (name) => {
      expect([...parseName(formatName(name))]).toEqual([...name])
    }))
  })
})

describe('equalName()', () => {
  test('DNS-1 folds ASCII letters and nothing else', () => {
    expect(equalName(parseName('SvC1.TestNS'), parseName('svc1.testns'))).toBe(true)
    expect(equalName(parseName('a'), parseName('b'))).toBe(false)
    expect(nameKey(parseName('SvC1.TestNS'))).toBe('\u0004svc1\u0006testns\0')
    // Bytes 0xC0 and 0xE0 are À and à in Latin-1, but DNS knows ASCII only.
    expect(equalName(parseName(String.raw`\192`), parseName(String.raw`\224`))).toBe(false)
    expect(nameKey(parseName(String.raw`\192`))).not.toBe(nameKey(parseName(String.raw`\224`)))
  })
})

describe('readName()', () => {
  const header = Buffer.alloc(12)
  const message = (...bytes: number[]): Buffer => Buffer.concat([header, Buffer.from(bytes)])

  test('follows pointers backwards', () => {
    const bytes = message(1, 0x61, 0, 1, 0x62, 0xc0, 12, 0xc0, 15)
    expect(formatName(readName(bytes, 15).name)).toBe('b.a.')
    expect(readName(bytes, 19)).toMatchObject({ end: 21 })
    expect(formatName(readName(bytes, 19).name)).toBe('b.a.')
  })

  test.each([
    ['a pointer to itself', message(0xc0, 12), 12],
    ['a pointer forwards', message(0xc0, 14, 0), 12],
    ['two pointers that chase each other', message(0xc0, 14, 0xc0, 12), 14],
    ['a label and a pointer back to that label', message(1, 0x61, 0xc0, 12), 12],
    ['a pointer into the header', message(0xc0, 4), 12],
    ['a pointer cut off', message(0xc0), 12],
    ['a label cut off', message(5, 0x61), 12],
    ['no end', message(1, 0x61), 12],
    ['an extended label type', message(0x41, 0), 12],
    ['nothing', message(), 12],
  ])('refuses %s', (_, bytes, offset) => {
    expect(() => readName(bytes, offset)).toThrow(DnsFormatError)
  })

  test('refuses names over 255 bytes, also when pointers make them', () => {
    const long = Buffer.concat([header, ...Array.from({ length: 3 }, () => Buffer.from([63, ...Buffer.alloc(63, 0x61)])), Buffer.from([0])])
    expect(readName(long, 12).name.length).toBe(193)
    const tooLong = Buffer.concat([long, Buffer.from([63, ...Buffer.alloc(63, 0x62), 0xc0, 12])])
    expect(() => readName(tooLong, long.length)).toThrow(/more than 255/)
  })

  test('reads what writeName() wrote, with and without compression', () => {
    fc.assert(fc.property(fc.array(anyName, { minLength: 1, maxLength: 5 }), fc.boolean(), (names, compress) => {
      const out = Buffer.alloc(4096)
      const table = compress ? new Map<string, number>() : undefined
      let at = 12
      const offsets = names.map((name) => {
        const offset = at
        at = writeName(name, out, { offset, table })
        return offset
      })
      for (const [index, offset] of offsets.entries()) {
        const { end, name } = readName(out, offset)
        expect([...name]).toEqual([...names[index]!])
        expect(skipName(out, offset)).toBe(end)
      }
    }))
  })
})

describe('nameBelow()', () => {
  test('puts labels in front', () => {
    expect(formatName(nameBelow([Buffer.from('ns'), Buffer.from('dns')], parseName('cluster.local')))).toBe('ns.dns.cluster.local.')
    expect(() => nameBelow([new Uint8Array()], rootName)).toThrow(SyntaxError)
  })
})
