import { describe, expect, test } from 'vitest'
import { parseDescriptor } from './descriptor.ts'

const whole = {
  kubeconfig: '/tmp/admin.conf',
  enter: ['nsenter', '--net=/run/netns/cp'],
  nodes: { cp: { exec: ['docker', 'exec', 'cp'] } },
  outside: { exec: [] },
  load: ['kind', 'load', 'image-archive'],
  node: ['./node.sh'],
}

describe('parseDescriptor()', () => {
  test('keeps every field', () => {
    expect(parseDescriptor(JSON.stringify(whole))).toEqual(whole)
    expect(parseDescriptor('{"kubeconfig":"a","nodes":{}}')).toEqual({ kubeconfig: 'a', enter: [], nodes: {} })
  })

  test.each([
    ['[]', 'it is no object'],
    ['{"nodes":{}}', '"kubeconfig" is no path'],
    ['{"kubeconfig":"a"}', '"nodes" is no object'],
    ['{"kubeconfig":"a","nodes":{"cp":{"exec":"sh"}}}', '"nodes.cp.exec" is no list of words'],
    ['{"kubeconfig":"a","nodes":{},"outside":[]}', '"outside" is no object'],
    ['{"kubeconfig":"a","nodes":{},"load":[1]}', '"load" is no list of words'],
  ])('%s is refused with the field', (text, message) => {
    expect(() => parseDescriptor(text)).toThrow(message)
  })
})
