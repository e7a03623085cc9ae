import { afterAll, beforeAll, describe } from 'vitest'
import { isTakenOver } from '../suites/life/takeover-life.ts'
import { type DemoCluster, openDemoCluster } from './fixture.ts'

describe('a cluster that had kube-proxy and CoreDNS', () => {
  let demo: DemoCluster

  beforeAll(async () => {
    demo = await openDemoCluster()
  }, 360_000)
  afterAll(async () => demo[Symbol.asyncDispose]())

  isTakenOver({ cluster: () => demo.cluster, machines: () => demo.machines })
})
