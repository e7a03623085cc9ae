import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { describeFailure } from './failure.ts'
import { formatTable, ok } from './terminal.ts'

test('formatTable() aligns columns by what is seen, colours aside', () => {
  expect(formatTable(['a', 'bb'], [['\u001B[32mok\u001B[39m', 'x'], ['longer', 'y']])).toBe('a       bb\n\u001B[32mok\u001B[39m      x\nlonger  y')
})

test('ok() keeps what nobody looked at apart from what is good', () => {
  expect([true, false, undefined].map((good) => stripVTControlCharacters(ok(good)))).toEqual(['ok', 'FAIL', '-'])
})

test('describeFailure() tells causes, each once, and the parts of an AggregateError', () => {
  const cause = new Error('EPERM')
  expect(describeFailure(new Error('Cannot start the sandbox: no rights', { cause }))).toBe('Cannot start the sandbox: no rights\n  because: EPERM')
  expect(describeFailure(new AggregateError([new Error('one'), new Error('two')], 'Cannot do both'))).toBe('Cannot do both\n  one\n  two')
})
