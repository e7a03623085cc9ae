import { createPrivateKey, X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { makeAuthority, makeServerCertificate } from './certificate.ts'

test('makeServerCertificate() is signed by the authority and good for its names', () => {
  const now = new Date('2026-11-21T10:00:00Z')
  const authority = makeAuthority('weft-sandbox-ca', now)
  const server = makeServerCertificate({ ...authority, privateKey: createPrivateKey(authority.key) }, ['127.0.0.1', 'fd00:10:96::1', 'kubernetes.default.svc'], now)
  const ca = new X509Certificate(authority.certificate)
  const leaf = new X509Certificate(server.certificate)
  expect(ca.ca).toBe(true)
  expect(ca.verify(ca.publicKey)).toBe(true)
  expect(leaf.ca).toBe(false)
  expect(leaf.verify(ca.publicKey)).toBe(true)
  expect(leaf.checkIssued(ca)).toBe(true)
  expect(leaf.checkPrivateKey(createPrivateKey(server.key))).toBe(true)
  expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(leaf.checkIP('fd00:10:96::1')).toBeDefined()
  expect(leaf.checkHost('kubernetes.default.svc')).toBe('kubernetes.default.svc')
  expect(leaf.checkHost('example.com')).toBeUndefined()
  expect(new Date(leaf.validTo).getUTCFullYear()).toBe(2036)
})
