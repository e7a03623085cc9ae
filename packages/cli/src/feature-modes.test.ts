import { type Capability, probeCapabilities } from '@weft/netlink'
import { describe, expect, test } from 'vitest'
import { featureModes, type FeatureMode } from './feature-modes.ts'

const known = await probeCapabilities()

function on(missing: Readonly<Record<string, false | undefined>>): ReadonlyMap<string, FeatureMode> {
  const capabilities = known.map((each): Capability => ({ ...each, present: each.name in missing ? missing[each.name] : true }))
  return new Map(featureModes(capabilities).map((mode) => [mode.feature, mode]))
}

describe('featureModes()', () => {
  test('everything is there: every feature is full', () => {
    expect([...on({}).values()].map(({ mode, reasons }) => [mode, reasons])).toEqual([...on({}).keys()].map(() => ['full', []]))
  })

  test('a part that is missing reduces the features that use it, and says to what', () => {
    const modes = on({ 'vxlan': false, 'conntrack netlink': false })
    expect(modes.get('overlay')).toEqual({ feature: 'overlay', mode: 'reduced', reasons: ['without vxlan: the overlay refuses nodes behind routers: direct routes only'] })
    expect(modes.get('proxy')).toMatchObject({ mode: 'reduced', reasons: ['without conntrack netlink: UDP clients of a deleted endpoint wait for their flow to time out'] })
    expect(modes.get('dns')!.mode).toBe('full')
  })

  test('what a feature is made of refuses it', () => {
    const modes = on({ 'nft numgen': false })
    expect(modes.get('proxy')).toEqual({ feature: 'proxy', mode: 'refused', reasons: ['needs nft numgen (Linux 4.9 with CONFIG_NFT_NUMGEN, or its module)'] })
    expect(modes.get('policy')!.mode).toBe('full')
  })

  test('what could not be asked for is not called missing', () => {
    expect(on({ veth: undefined }).get('cni')).toEqual({ feature: 'cni', mode: 'unknown', reasons: ['veth could not be asked for'] })
  })

  test('a capability that nobody probes is a mistake', () => {
    expect(() => featureModes([])).toThrow('Cannot judge features by capability "veth": it is not probed')
  })
})
