import { expect, test } from 'vitest'
import { describeFailure } from './failure.ts'

test('describeFailure() tells the sentence, then what it does not say yet', () => {
  const cause = new Error('ENOENT: no such file', { cause: new Error('disk away') })
  expect(describeFailure(new Error('Cannot read cluster "x": ENOENT: no such file', { cause }))).toBe('Cannot read cluster "x": ENOENT: no such file\n  because: disk away')
  expect(describeFailure(new Error('Cannot start', { cause }))).toBe('Cannot start\n  because: ENOENT: no such file\n  because: disk away')
  expect(describeFailure(new AggregateError([new Error('one'), new Error('two')], 'Cannot do 2 things'))).toBe('Cannot do 2 things\n  one\n  two')
  expect(describeFailure('text')).toBe('text')
})
