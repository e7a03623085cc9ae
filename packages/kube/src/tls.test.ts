import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKubeClient, type KubeClientOptions } from './http-client.ts'
import { inClusterClient } from './in-cluster.ts'
import { kubeconfigClient } from './kubeconfig.ts'

const fixture = (name: string): string => join(import.meta.dirname, '../test/tls', name)
const pem = (name: string): string => readFileSync(fixture(name), 'utf8')

let server: Server
let url: string
let folder: string

interface WhoAmI {
  readonly client: string
  readonly authorization: string | null
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-kube-tls-'))
  server = createServer({ cert: pem('server.crt'), key: pem('server.key'), ca: pem('ca.crt'), requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const { socket } = request
    const client = socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN ?? '' : ''
    response.end(JSON.stringify({ client, authorization: request.headers.authorization ?? null }))
  })
  // Both the address in the certificate and one that is not are on loopback.
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening')
  url = `https://127.0.0.2:${address.port}`
})

afterAll(() => {
  server.close()
  server.closeAllConnections()
  rmSync(folder, { recursive: true })
})

async function ask(options: Omit<KubeClientOptions, 'server'>, address = url): Promise<WhoAmI> {
  await using client = createKubeClient({ server: address, ...options })
  return await client.request<WhoAmI>('GET', '/version')
}

const elsewhere = (): string => url.replace('127.0.0.2', '127.0.0.3')

describe('createKubeClient() over TLS', () => {
  test('trusts the CA it is given and no other', async () => {
    expect(await ask({ ca: pem('ca.crt') })).toEqual({ client: '', authorization: null })
    await expect(ask({ ca: pem('other-ca.crt') })).rejects.toMatchObject({ code: 'ERR_KUBE_UNREACHABLE', unsent: true })
    await expect(ask({})).rejects.toMatchObject({ code: 'ERR_KUBE_UNREACHABLE', unsent: true })
  })

  test('checks the name, which tlsServerName sets for addresses outside the certificate', async () => {
    await expect(ask({ ca: pem('ca.crt') }, elsewhere())).rejects.toMatchObject({ code: 'ERR_KUBE_UNREACHABLE', unsent: true })
    expect(await ask({ ca: pem('ca.crt'), tlsServerName: 'kubernetes.default.svc' }, elsewhere())).toMatchObject({ client: '' })
    await expect(ask({ ca: pem('ca.crt'), tlsServerName: 'example.org' })).rejects.toMatchObject({ code: 'ERR_KUBE_UNREACHABLE' })
  })

  test('shows its client certificate', async () => {
    expect(await ask({ ca: pem('ca.crt'), cert: pem('client.crt'), key: pem('client.key') })).toMatchObject({ client: 'weft' })
  })

  test('uses a CA file that was replaced for its next connection', async () => {
    const caFile = join(folder, 'ca.crt')
    copyFileSync(fixture('other-ca.crt'), caFile)
    utimesSync(caFile, 1, 1)
    await using client = createKubeClient({ server: url, caFile })
    await expect(client.request('GET', '/version')).rejects.toMatchObject({ unsent: true })
    copyFileSync(fixture('ca.crt'), caFile)
    utimesSync(caFile, 2, 2)
    await client.request('GET', '/version')
  })

  test('says which certificate file is missing', async () => {
    await expect(ask({ caFile: join(folder, 'nope') })).rejects.toMatchObject({ code: 'ERR_KUBE_CONFIG' })
  })
})

describe('inClusterClient()', () => {
  test('tries real addresses before the Service address (LIFE-2)', async () => {
    writeFileSync(join(folder, 'token'), 'abc')
    copyFileSync(fixture('ca.crt'), join(folder, 'ca.crt'))
    await using client = inClusterClient({ servers: [url], credentialsFolder: folder, env: { KUBERNETES_SERVICE_HOST: 'fd00:10:96::1', KUBERNETES_SERVICE_PORT: '443' } })
    expect(await client.request('GET', '/version')).toEqual({ client: '', authorization: 'Bearer abc' })
  })

  test('says what is missing outside of a pod', () => {
    expect(() => inClusterClient({ env: {} })).toThrow('KUBERNETES_SERVICE_HOST is not set')
    expect(() => inClusterClient({ env: { KUBERNETES_SERVICE_HOST: '10.96.0.1' }, credentialsFolder: '/nonexistent' })).toThrow('/nonexistent/token is missing')
  })
})

describe('kubeconfigClient()', () => {
  function kubeconfig(user: object, cluster: object = {}): string {
    const file = join(folder, 'config')
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({
      'apiVersion': 'v1',
      'kind': 'Config',
      'current-context': 'c',
      'contexts': [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
      'clusters': [{ name: 'k', cluster: { server: url, 'certificate-authority-data': Buffer.from(pem('ca.crt')).toString('base64'), ...cluster } }],
      'users': [{ name: 'u', user }],
    }))
    return file
  }

  async function askAs(user: object, cluster?: object): Promise<WhoAmI> {
    await using client = await kubeconfigClient(kubeconfig(user, cluster))
    return await client.request<WhoAmI>('GET', '/version')
  }

  test('takes tokens, client certificates and exec plugins', async () => {
    expect(await askAs({ token: 'abc' })).toEqual({ client: '', authorization: 'Bearer abc' })
    expect(await askAs({ 'client-certificate': fixture('client.crt'), 'client-key': fixture('client.key') })).toMatchObject({ client: 'weft' })
    const credential = JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'from-plugin' } })
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', `console.log(${JSON.stringify(credential)})`], interactiveMode: 'Never' }
    expect(await askAs({ exec })).toMatchObject({ authorization: 'Bearer from-plugin' })
  })

  test('takes tls-server-name and insecure-skip-tls-verify, refuses proxies', async () => {
    expect(await askAs({ token: 'abc' }, { server: elsewhere(), 'tls-server-name': 'kubernetes.default.svc' })).toMatchObject({ authorization: 'Bearer abc' })
    expect(await askAs({ token: 'abc' }, { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true })).toMatchObject({ authorization: 'Bearer abc' })
    await expect(askAs({ token: 'abc' }, { 'proxy-url': 'http://127.0.0.1:1' })).rejects.toThrow('proxy-url is not supported')
  })

  test('says which file cannot be used', async () => {
    await expect(kubeconfigClient(join(folder, 'nope'))).rejects.toMatchObject({ code: 'ERR_KUBE_CONFIG' })
  })
})
