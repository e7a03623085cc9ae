import { describe, expect, test } from 'vitest'
import { parseDomainPattern, parseFqdn } from './domain-name.ts'

const names = [['example.com', 'example.com'], ['Example.COM.', 'example.com'], ['_dmarc.a-b.example', '_dmarc.a-b.example'], [`${'x'.repeat(63)}.example`, `${'x'.repeat(63)}.example`]] as const
const others = ['', '.', 'localhost', 'a..b', '.example.com', 'example.com..', '-a.example', 'a-.example', 'a b.example', 'ü.example', 'a/b.example', `${'x'.repeat(64)}.example`, `${'x.'.repeat(130)}example`, 'a*.example.com', '**.example.com', '*', '*.', '*.com.*', 'a.example\n']

describe('parseFqdn(), parseDomainPattern()', () => {
  test.each(names)('A11 read %s', (text, name) => expect([parseFqdn(text), parseDomainPattern(text), parseDomainPattern(`*.${text}`)]).toEqual([name, name, `*.${name}`]))

  test.each(others)('A11 refuse %j', (text) => {
    expect(() => parseFqdn(text)).toThrow(SyntaxError)
    expect(() => parseDomainPattern(text)).toThrow(SyntaxError)
  })

  test('A11 a pattern for many is no name', () => expect(() => parseFqdn('*.example.com')).toThrow(SyntaxError))
})
