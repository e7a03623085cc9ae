import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ApiError } from '../status.ts'
import { decodeProtobuf } from './protobuf.ts'

const field = (number: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
const text = (number: number, value: string): Buffer => field(number, Buffer.from(value))
const varint = (number: number, value: number): Buffer => Buffer.from([number << 3, value])
const body = (apiVersion: string, kind: string, raw: Buffer): Buffer => Buffer.concat([Buffer.from('k8s\0'), field(1, Buffer.concat([text(1, apiVersion), text(2, kind)])), field(2, raw)])

test('decodeProtobuf() reads names, maps, lists and IntOrString', () => {
  const port = Buffer.concat([text(1, 'http'), varint(3, 80), field(4, Buffer.concat([varint(1, 1), text(3, 'web')]))])
  const service = Buffer.concat([field(1, text(1, 'a')), field(2, Buffer.concat([field(1, port), field(2, Buffer.concat([text(1, 'app'), text(2, 'x')]))]))])
  expect(decodeProtobuf(body('v1', 'Service', service))).toEqual({
    apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: { ports: [{ name: 'http', port: 80, targetPort: 'web' }], selector: { app: 'x' } },
  })
})

test('decodeProtobuf() refuses damage with 400 and nothing else', () => {
  expect(() => decodeProtobuf(Buffer.from('{}'))).toThrow(expect.objectContaining({ code: 400 }))
  expect(() => decodeProtobuf(body('v1', 'Nothing', Buffer.alloc(0)))).toThrow(/no protobuf message is known/u)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
    try {
      decodeProtobuf(body('v1', 'Pod', Buffer.from(bytes)))
    } catch (error) {
      return error instanceof ApiError && error.code === 400
    }
    return true
  }))
})
