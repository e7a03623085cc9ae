import { expect, test } from 'vitest'
import { parseResolvConf } from './resolv-conf.ts'

test('parseResolvConf() takes nameservers in order, each once', () => {
  const text = '# comment\nsearch a b\nnameserver 10.0.0.2\nnameserver  fd00::2 \n nameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver nonsense\noptions ndots:5\n'
  expect(parseResolvConf(text, []).map(({ address }) => address)).toEqual(['10.0.0.2', 'fd00::2', 'fe80::1%eth0'])
  expect(parseResolvConf('', [])).toEqual([])
  expect(parseResolvConf(Array.from({ length: 20 }, (_, n) => `nameserver 10.0.0.${n}`).join('\n'), [])).toHaveLength(15)
})

test('DNS-80: parseResolvConf() leaves this server itself out', () => {
  const text = 'nameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver ::1'
  expect(parseResolvConf(text, [{ address: '0.0.0.0', port: 53 }]).map(({ address }) => address)).toEqual(['10.0.0.2', '::1'])
  expect(parseResolvConf(text, [{ address: '10.0.0.2', port: 53 }, { address: '::', port: 53 }]).map(({ address }) => address)).toEqual(['127.0.0.53'])
  expect(parseResolvConf(text, [{ address: '0.0.0.0', port: 10_053 }])).toHaveLength(3)
})
