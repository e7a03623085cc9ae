import { describe, expect, test } from 'vitest'
import { isLinkLocal, isLoopback, isMulticast, isUnspecified } from './address-kind.ts'
import { parseIp } from './ip-address.ts'

describe.each([
  ['isLoopback', isLoopback, ['127.0.0.0', '127.255.255.255', '::1', '::ffff:127.0.0.1'], ['126.255.255.255', '128.0.0.0', '::', '::2', '::7f00:1', '::ffff:128.0.0.1']],
  ['isLinkLocal', isLinkLocal, ['169.254.0.0', '169.254.169.254', 'fe80::', 'febf:ffff::1', '::ffff:169.254.1.1'], ['169.253.255.255', '169.255.0.0', 'fec0::', 'fe7f:ffff::']],
  ['isMulticast', isMulticast, ['224.0.0.1', '239.255.255.255', 'ff00::', 'ff02::1', '::ffff:224.0.0.1'], ['223.255.255.255', '240.0.0.0', 'feff::']],
  ['isUnspecified', isUnspecified, ['0.0.0.0', '0.1.2.3', '::', '::ffff:0.0.0.0'], ['1.0.0.0', '::1']],
] as const)('%s()', (_name, is, inside, outside) => {
  test.each(inside)('true for %s (A4)', (text) => expect(is(parseIp(text))).toBe(true))
  test.each(outside)('false for %s (A4)', (text) => expect(is(parseIp(text))).toBe(false))
})
