import { describe, expect, test } from 'vitest'
import { commandOf, isProbe, probeCommand, UnknownImage } from './image.ts'

describe('commandOf()', () => {
  test('runs the probe for its images', () => {
    expect(commandOf({ name: 'c', image: 'weft.dev/probe:1', args: ['netexec'] }, {})).toEqual([...probeCommand, 'netexec'])
    expect(commandOf({ name: 'c', image: 'registry.k8s.io/e2e-test-images/agnhost:2.40' }, {})).toEqual([...probeCommand, 'pause'])
    expect(commandOf({ name: 'c', image: 'weft.dev/probe', command: ['/agnhost', 'serve-hostname'], args: ['--port', '$(P)'] }, { P: '7' })).toEqual([...probeCommand, 'serve-hostname', '--port', '7'])
    expect(commandOf({ name: 'c', image: 'registry.k8s.io/pause:3.10' }, {})).toEqual([...probeCommand, 'pause'])
  })

  test('runs any other image\'s command from the machine, and refuses one without', () => {
    expect(commandOf({ name: 'c', image: 'busybox', command: ['sh', '-c'], args: ['echo $(X)'] }, { X: 'y' })).toEqual(['sh', '-c', 'echo y'])
    expect(commandOf({ name: 'c', image: 'agnhost:1', command: ['sleep', '1'] }, {})).toEqual(['sleep', '1'])
    expect(() => commandOf({ name: 'c', image: 'nginx' }, {})).toThrow(UnknownImage)
  })
})

describe('isProbe()', () => {
  test('knows its names with tag and digest, and no others', () => {
    for (const image of ['weft.dev/probe', 'weft.dev/probe:1', 'weft.dev/probe-tools:2', 'agnhost', 'a.b/c/agnhost:2.40', 'agnhost@sha256:00']) expect(isProbe(image)).toBe(true)
    for (const image of ['weft.dev/probes', 'myagnhost:1', 'agnhost-extra', 'evil/weft.dev/probe']) expect(isProbe(image)).toBe(false)
  })
})
