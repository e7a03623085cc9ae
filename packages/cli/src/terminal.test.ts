import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { describeFailure } from './failure.ts'
import { formatTable, ok, Progress } from './terminal.ts'

test('formatTable() aligns columns by what is seen, colours aside', () => {
  expect(formatTable(['a', 'bb'], [['\u001B[32mok\u001B[39m', 'x'], ['longer', 'y']])).toBe('a       bb\n\u001B[32mok\u001B[39m      x\nlonger  y')
})

test('ok() keeps what nobody looked at apart from what is good', () => {
  expect([true, false, undefined].map((good) => stripVTControlCharacters(ok(good)))).toEqual(['ok', 'FAIL', '-'])
})

test.each([
  ['on a terminal', { json: false, isTTY: true }, '\r\u001B[Kone\r\u001B[Ktwo\r\u001B[K'],
  ['in a file', { json: false, isTTY: false }, 'one\ntwo\n'],
  ['on a terminal beside JSON', { json: true, isTTY: true }, '\r\u001B[Kone\r\u001B[Ktwo\r\u001B[K'],
  ['in a file beside JSON', { json: true, isTTY: false }, ''],
])('Progress %s', (_where, { json, isTTY }, wanted) => {
  let written = ''
  const progress = new Progress({ json, stream: { isTTY, write: (text: string | Uint8Array) => (written += String(text)) !== '' } })
  for (const text of ['one', 'one', 'two']) progress.say(text)
  progress.done()
  expect(written).toBe(wanted)
})

test('describeFailure() tells causes, each once, and the parts of an AggregateError', () => {
  const cause = new Error('EPERM')
  expect(describeFailure(new Error('Cannot start the sandbox: no rights', { cause }))).toBe('Cannot start the sandbox: no rights\n  because: EPERM')
  expect(describeFailure(new AggregateError([new Error('one'), new Error('two')], 'Cannot do both'))).toBe('Cannot do both\n  one\n  two')
})
