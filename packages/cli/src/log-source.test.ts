import { describe, expect, test } from 'vitest'
import { logSource } from './log-source.ts'

const pod = { namespace: 'demo', container: undefined }

describe('logSource()', () => {
  test.each([
    ['agent/n1', { kind: 'agent', node: 'n1' }],
    ['dns/n2', { kind: 'dns', node: 'n2' }],
    ['controller', { kind: 'controller' }],
    ['init', { kind: 'init' }],
    ['web-0', { kind: 'pod', name: 'web-0', ...pod }],
  ])('%s', (name, source) => expect(logSource(name, pod)).toEqual(source))

  test('a program that nodes do not have is not taken for a pod', () => {
    expect(() => logSource('nosuch/n1', pod)).toThrow('Cannot read log "nosuch/n1": the programs of a node are agent and dns')
  })
})
