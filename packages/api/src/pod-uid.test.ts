import { describe, expect, test } from 'vitest'
import { isSamePod, toPod } from './pod.ts'
import { parsePodUid, podUidFrom } from './pod-uid.ts'

const uids = ['0f6a1d3c-9a55-4f7b-8c9e-2f1d3b4c5d6e', 'd41d8cd98f00b204e9800998ecf8427e', 'of-the_file.1', 'u', 'x'.repeat(253)]
const others = ['', ' ', 'a b', 'a\n', 'a\0', 'ü', 'x'.repeat(254)]

describe('parsePodUid(), podUidFrom()', () => {
  test.each(uids)('A10 take %j', (text) => expect([parsePodUid(text), podUidFrom(text)]).toEqual([text, text]))

  test.each(others)('A10 refuse %j', (text) => {
    expect(() => parsePodUid(text)).toThrow(SyntaxError)
    expect(podUidFrom(text)).toBeUndefined()
  })

  test('A10 podUidFrom() reads nothing of what is no text', () => expect([undefined, null, 7, {}].map(podUidFrom)).toEqual([undefined, undefined, undefined, undefined]))
})

describe('isSamePod()', () => {
  const pod = (annotations: object): ReturnType<typeof toPod> => toPod({ metadata: { namespace: 'shop', name: 'web', uid: 'mirror', annotations } })
  const [own, file, later] = ['mirror', 'of-the-file', 'later'].map(parsePodUid)
  const mirror = pod({ 'kubernetes.io/config.mirror': 'of-the-file' })

  test('A10 knows a pod by its uid, and a static one by that of its file', () => {
    expect([own, file, later].map((uid) => isSamePod(mirror, uid))).toEqual([true, true, false])
    expect([own, file, later].map((uid) => isSamePod(pod({}), uid))).toEqual([true, false, false])
  })

  test('A10 goes by the name where the runtime does not tell', () => expect(isSamePod(mirror, undefined)).toBe(true))

  test('A10 an annotation that is no uid is none, and refuses no pod', () => {
    for (const odd of ['', 'a b', 'x'.repeat(1000)]) expect(pod({ 'kubernetes.io/config.mirror': odd }).staticUid).toBeUndefined()
  })
})
