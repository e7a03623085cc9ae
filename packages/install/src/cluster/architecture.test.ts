import { expect, test } from 'vitest'
import { isWrongArchitecture } from './architecture.ts'

test.each([
  'exec /usr/local/bin/weft: exec format error',
  'no match for platform in manifest',
  'no matching manifest for linux/amd64 in the manifest list entries',
  'ctr: image might be filtered out',
])('isWrongArchitecture() knows "%s"', (said) => {
  expect(isWrongArchitecture(said)).toBe(true)
})

test('isWrongArchitecture() leaves other failures alone', () => {
  expect(isWrongArchitecture('ctr: open /tmp/weft.tar: no such file or directory')).toBe(false)
})
