import { expect, test } from 'vitest'
import { clientOf } from './scene.ts'

test('clientOf() takes the address out of what /clientip answers', () => {
  expect(clientOf('10.244.0.2:40112\n')).toBe('10.244.0.2')
  expect(clientOf('[fd00:10:244::2]:40112')).toBe('fd00:10:244::2')
  expect(clientOf('[::ffff:10.244.0.2]:1')).toBe('10.244.0.2')
})
