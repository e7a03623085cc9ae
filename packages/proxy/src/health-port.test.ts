import { toEndpointSlice, toService } from '@weft/api'
import { describe, expect, test } from 'vitest'
import { nodeName, service, slice } from '../test/cluster.ts'
import { healthPort } from './health-port.ts'

const balanced = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30_100 }
const of = (spec: object, ...slices: readonly object[]): ReturnType<typeof healthPort> => healthPort(toService(service('shop/web', ['10.96.0.1'], { ...spec })), slices.map(toEndpointSlice), nodeName)

describe('healthPort()', () => {
  test.each([
    ['SVC-98 counts ready endpoints of this node', 2, [slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }, { ip: '10.244.0.6', node: 'here' }, { ip: '10.244.1.7' }])]],
    ['SVC-85, SVC-100 leaves those out that terminate, also while they serve', 0, [slice('shop/web', [{ ip: '10.244.0.5', node: 'here', ready: false, serving: true, terminating: true }])]],
    ['SVC-98 counts an endpoint of several slices and families once', 1, [
      slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }]), slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }], { suffix: 'b', ports: [{ port: 9090 }] }), slice('shop/web', [{ ip: 'fd00::5', node: 'here' }], { suffix: 'c' }),
    ]],
  ])('%s', (_name, localEndpoints, slices) => {
    expect(of(balanced, ...slices)).toEqual({ key: 'shop/web', port: 30_100, localEndpoints })
  })

  test.each([
    ['SVC-98 another policy', { ...balanced, externalTrafficPolicy: 'Cluster' }],
    ['SVC-98 another type', { ...balanced, type: 'NodePort' }],
    ['SVC-98 none allocated', { ...balanced, healthCheckNodePort: 0 }],
  ])('%s has none', (_name, spec) => {
    expect(of(spec)).toBeUndefined()
  })
})
