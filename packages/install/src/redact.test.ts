import { describe, expect, test } from 'vitest'
import { redact } from './redact.ts'

describe('redact()', () => {
  test.each([
    ['authorization: Bearer abcdef0123456789', 'authorization: Bearer <credentials>'],
    ['token eyJhbGciOiJSUzI1NiIsImtpZCI6.eyJpc3MiOiJrdWJlcm5ldGVz.c2lnbmF0dXJl end', 'token <token> end'],
    ['"password": "hunter22", "port": 80', '"password": "<redacted>", "port": 80'],
    ['"password": "p@ss, w\\"o}rd", "port": 80', '"password": "<redacted>", "port": 80'],
    ['"token": "abc"', '"token": "<redacted>"'],
    ['{\\"password\\":\\"two words\\",\\"port\\":80}', '{\\"password\\":\\"<redacted>\\",\\"port\\":80}'],
    ["secret = 'a b' next", "secret = '<redacted>' next"],
    ['client-key-data: LS0tLS1CRUdJTg==', 'client-key-data: <redacted>'],
    ['GET https://user:secret@registry.example/v2', 'GET https://<credentials>@registry.example/v2'],
    ['-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nnext', '<private key>\nnext'],
    ['10.244.0.3 -> 10.96.0.10:53, fd00::1', '10.244.0.3 -> 10.96.0.10:53, fd00::1'],
  ])('%s', (text, wanted) => {
    expect(redact(text)).toBe(wanted)
  })
})
