import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CniError } from './cni-error.ts'
import { type CniRequest, parseRequest } from './cni-request.ts'
import type { PluginConfig } from './plugin-config.ts'

const full = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_NETNS: '/run/netns/c1', CNI_IFNAME: 'eth0', CNI_PATH: '/opt/cni/bin' }
const config = { cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' }

/** A plugin with an opinion. */
function readConfig({ fields }: PluginConfig): unknown {
  if (fields['refused'] === true) throw new CniError('ERR_CNI_INVALID_CONFIG', 'refused')
  return fields['own']
}

function parse(environment: Readonly<Record<string, string>>, stdin: unknown = config): CniRequest<unknown> {
  return parseRequest({ environment: new Map(Object.entries(environment)), stdin: Buffer.from(typeof stdin === 'string' ? stdin : JSON.stringify(stdin)) }, readConfig)
}

/** Number and message of the error, `0` if there is none. */
function refusal(environment: Readonly<Record<string, string>>, stdin: unknown = config): readonly [number, string] {
  try {
    parse(environment, stdin)
    return [0, '']
  } catch (error) {
    return error instanceof CniError ? [error.cniCode, error.message] : [-1, String(error)]
  }
}

describe('parseRequest()', () => {
  it('reads a full ADD (CNI-1)', () => {
    expect(parse({ ...full, CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u-1' }, { ...config, own: 'mine' })).toMatchObject({
      command: 'ADD', containerId: 'c1', ifname: 'eth0', netns: '/run/netns/c1', args: { K8S_POD_NAMESPACE: 'shop', K8S_POD_NAME: 'web-0', K8S_POD_UID: 'u-1' }, base: { cniVersion: '1.1.0', name: 'weft' }, config: 'mine',
    })
  })

  it('refuses unknown commands (CNI-2)', () => {
    expect(refusal({ ...full, CNI_COMMAND: 'MOVE' })).toEqual([4, 'unknown CNI_COMMAND: MOVE'])
    expect(refusal({ ...full, CNI_COMMAND: '' })).toEqual([4, 'unknown CNI_COMMAND: '])
  })

  it.each([
    ['ADD', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME']],
    ['CHECK', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME']],
    ['DEL', ['CNI_CONTAINERID', 'CNI_IFNAME']],
  ])('%s names all missing variables at once (CNI-3, CNI-4)', (command, missing) => {
    expect(refusal({ CNI_COMMAND: command })).toEqual([4, `required env variables [${missing.join(',')}] missing`])
    expect(refusal({ ...full, CNI_COMMAND: command, CNI_IFNAME: '' })).toEqual([4, 'required env variables [CNI_IFNAME] missing'])
  })

  it('DEL, GC, STATUS and VERSION do with less (CNI-3)', () => {
    expect(refusal({ CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' })[0]).toBe(0)
    for (const command of ['GC', 'STATUS']) expect(refusal({ CNI_COMMAND: command })[0]).toBe(0)
    expect(refusal({ CNI_COMMAND: 'VERSION' }, 'no JSON')[0]).toBe(0)
  })

  it.each(['-c1', '.c1', 'a/b', 'a b', 'a:b', 'ä'])('refuses container id %j (CNI-5)', (id) => {
    expect(refusal({ ...full, CNI_CONTAINERID: id })).toEqual([4, 'invalid characters in containerID'])
  })

  it.each(['.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'sixteen-letters-'])('refuses interface name %j (CNI-6)', (ifname) => {
    expect(refusal({ ...full, CNI_IFNAME: ifname })[0]).toBe(4)
  })

  it('refuses unknown CNI_ARGS unless they may be ignored (CNI-7)', () => {
    expect(refusal({ ...full, CNI_ARGS: 'FOO=1;BAR=2' })[1]).toContain('unknown args ["FOO","BAR"]')
    expect(refusal({ ...full, CNI_ARGS: 'FOO=1;IgnoreUnknown=true' })[0]).toBe(0)
    expect(refusal({ ...full, CNI_ARGS: 'FOO;IgnoreUnknown=true' })[0]).toBe(4)
  })

  it.each([
    ['{', 6], ['[]', 6], ['null', 6], ['"x"', 6],
    [{ ...config, cniVersion: '9.9.9' }, 1], [{ ...config, cniVersion: 7 }, 1],
    [{ ...config, name: undefined }, 7], [{ ...config, name: '' }, 7], [{ ...config, name: 'a/b' }, 7],
    [{ ...config, refused: true }, 7],
    [{ ...config, prevResult: [] }, 6], [{ ...config, prevResult: { ips: [{ address: 4 }] } }, 6],
  ])('refuses configuration %j with code %i (CNI-5, CNI-10)', (stdin, code) => {
    expect(refusal(full, stdin)[0]).toBe(code)
  })

  it('CNI-34, CNI-36 DEL minds nothing that ADD was or would be refused for, nor a prevResult it cannot read', () => {
    const del = { ...full, CNI_COMMAND: 'DEL', CNI_ARGS: 'FOO=1' }
    for (const wrong of [{ prevResult: 'torn' }, { prevResult: [] }, { refused: true }])
      expect([refusal(del, { ...config, ...wrong })[0], refusal({ ...full, CNI_COMMAND: 'ADD' }, { ...config, ...wrong })[0]]).toEqual([0, 'prevResult' in wrong ? 6 : 7])
    expect([refusal(del, '{'), refusal(del, { ...config, name: 'a/b' })].map(([code]) => code)).toEqual([6, 7])
  })

  it('CNI-40 GC tells a list that is empty from one that is not there', () => {
    const valid = (more: object): unknown => (parse({ CNI_COMMAND: 'GC' }, { ...config, ...more }) as { readonly base: PluginConfig }).base.validAttachments
    expect(valid({ 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }] })).toEqual([{ containerId: 'c1', ifname: 'eth0' }])
    for (const wrong of ['c1', [{ containerID: 'c1' }], [null], {}]) expect(refusal({ CNI_COMMAND: 'GC' }, { ...config, 'cni.dev/valid-attachments': wrong })[0]).toBe(7)
    expect([valid({ 'cni.dev/valid-attachments': [] }), valid({ 'cni.dev/valid-attachments': null }), valid({})]).toEqual([[], undefined, undefined])
  })

  it('takes a missing version for 0.1.0 and passes over keys it does not know (CNI-10, CNI-13)', () => {
    expect(parse(full, { name: 'weft', bridge: 'cni0', 'cni.dev/other': 1, runtimeConfig: { cgroupPath: '/x' }, args: { cni: {} } })).toMatchObject({ base: { cniVersion: '0.1.0' } })
  })

  it('lets verbs only in versions that have them (CNI-10)', () => {
    expect(refusal({ ...full, CNI_COMMAND: 'CHECK' }, { ...config, cniVersion: '0.3.1' })[1]).toContain('config version does not allow CHECK')
    for (const command of ['GC', 'STATUS']) expect(refusal({ CNI_COMMAND: command }, { ...config, cniVersion: '1.0.0' })[0]).toBe(1)
  })

  it.each(['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('CNI-10, CNI-14 %s allows the verbs it has', (cniVersion) => {
    const codes = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'].map((command) => refusal({ ...full, CNI_COMMAND: command }, { ...config, cniVersion })[0])
    expect(codes).toEqual([0, 0, cniVersion >= '0.4.0' ? 0 : 1, cniVersion === '1.1.0' ? 0 : 1, cniVersion === '1.1.0' ? 0 : 1])
  })

  it('throws nothing but CniError, whatever comes', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION', 'c1', 'eth0', '1.1.0', 'weft', 'IgnoreUnknown=1'))
    const environment = fc.dictionary(fc.constantFrom('CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS'), word)
    const shaped = fc.record({ cniVersion: fc.oneof(word, fc.jsonValue()), name: fc.oneof(word, fc.jsonValue()), prevResult: fc.jsonValue(), 'cni.dev/valid-attachments': fc.jsonValue() }, { requiredKeys: [] })
    fc.assert(fc.property(environment, fc.oneof(fc.string(), fc.json(), shaped.map((value) => JSON.stringify(value))), (variables, stdin) => {
      expect(refusal({ CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_NETNS: '/x', CNI_IFNAME: 'eth0', ...variables }, stdin)[0]).toBeGreaterThanOrEqual(0)
    }), { numRuns: 2000 })
  })
})
