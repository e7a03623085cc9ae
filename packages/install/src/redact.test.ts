import { describe, expect, test } from 'vitest'
import { redact, withoutSecrets } from './redact.ts'

describe('redact()', () => {
  test.each([
    ['authorization: Bearer abcdef0123456789', 'authorization: Bearer <credentials>'],
    ['token eyJhbGciOiJSUzI1NiIsImtpZCI6.eyJpc3MiOiJrdWJlcm5ldGVz.c2lnbmF0dXJl end', 'token <token> end'],
    ['"password": "hunter22", "port": 80', '"password": "<redacted>", "port": 80'],
    ['"password": "p@ss, w\\"o}rd", "port": 80', '"password": "<redacted>", "port": 80'],
    ['"token": "abc"', '"token": "<redacted>"'],
    ['{\\"password\\":\\"two words\\",\\"port\\":80}', '{\\"password\\":\\"<redacted>\\",\\"port\\":80}'],
    ["secret = 'a b' next", "secret = '<redacted>' next"],
    ['"password: a\\\\nb\\nmtu: 1400"', '"password: <redacted>\\nmtu: 1400"'],
    ['client-key-data: LS0tLS1CRUdJTg==', 'client-key-data: <redacted>'],
    ['GET https://user:secret@registry.example/v2', 'GET https://<credentials>@registry.example/v2'],
    ['-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nnext', '<private key>\nnext'],
    ['10.244.0.3 -> 10.96.0.10:53, fd00::1', '10.244.0.3 -> 10.96.0.10:53, fd00::1'],
  ])('%s', (text, wanted) => {
    expect(redact(text)).toBe(wanted)
  })
})

describe('withoutSecrets()', () => {
  test('names of variables and flags stay, their values and whole scripts do not', () => {
    const container = {
      name: 'db', image: 'db:1', env: [{ name: 'PASSWORD', value: 'hunter22' }], command: ['sh', '-c', 'login hunter22'], args: ['--password=hunter22', '--user', 'hunter22', '-phunter22'],
      livenessProbe: { exec: { command: ['probe', 'hunter22'] }, httpGet: { path: '/', httpHeaders: [{ name: 'Authorization', value: 'hunter22' }] } },
    }
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{"password":"hunter22"}', 'other': 'kept' }
    expect(withoutSecrets({ metadata: { name: 'a', annotations, managedFields: [] }, spec: { containers: [container] } })).toEqual({
      metadata: { name: 'a', annotations: { other: 'kept' } },
      spec: {
        containers: [{
          name: 'db', image: 'db:1', env: [{ name: 'PASSWORD' }], command: ['sh', '-c', '<redacted>'], args: ['--password=<redacted>', '--user', '<redacted>', '<redacted>'],
          livenessProbe: { exec: { command: ['probe', '<redacted>'] }, httpGet: { path: '/', httpHeaders: [{ name: 'Authorization' }] } },
        }],
      },
    })
  })
})
