import { describe, expect, test } from 'vitest'
import { nodeNameSchema, parseNodeName } from './node-name.ts'

const names = ['n', 'node-1', 'ip-10-0-0-1.eu-west-1.compute.internal', '10.0.0.1', 'a--b', 'a'.repeat(253)]
const others = ['', '-a', 'a-', '.a', 'a.', 'a..b', 'a.-b', 'Node-1', 'a_b', 'a/b', 'a b', ' a', 'a\n', 'knöten', '*', 'a,b', 'a'.repeat(254), `a${'-'.repeat(252)}`]

describe('parseNodeName()', () => {
  test.each(names)('A9 takes %j', (text) => expect(parseNodeName(text)).toBe(text))

  test.each(others)('A9 refuses %j', (text) => expect(() => parseNodeName(text)).toThrow(SyntaxError))

  test('A9 its message never is as long as the text', () => {
    expect(() => parseNodeName('x'.repeat(1_000_000))).toThrow(expect.toSatisfy(({ message }: Error) => message.length < 400))
  })
})

describe('nodeNameSchema', () => {
  test('A9 reads the same, and says what was wanted', () => {
    for (const text of names) expect(nodeNameSchema.parse(text)).toBe(text)
    for (const text of others) expect(nodeNameSchema.safeParse(text).error?.issues[0]?.message).toContain('wanted a DNS name')
  })
})
