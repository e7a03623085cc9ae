import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realClock } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { createControllers } from '../controllers/index.ts'
import { FakeKubelet } from '../controllers/testing/fake-kubelet.ts'
import { startServer, type StartedServer } from './testing/start-server.ts'

/** Another than the one on the PATH, e.g. of another version. */
const program = process.env['KUBECTL'] ?? 'kubectl'
const missing = spawnSync(program, ['version', '--client'], { stdio: 'ignore' }).status === 0 ? undefined : `Needs ${program}, not found on the PATH`
const run = promisify(execFile)

let started: StartedServer
const stop = new AbortController()
let running: Promise<void>

// Without kubectl on the machine there is no oracle to ask.
describe.skipIf(missing !== undefined)(skippable('kubectl', missing), { timeout: 120_000 }, () => {
  beforeAll(async () => {
    started = await startServer({
      podRuntime: {
        async *logs(_namespace, name) {
          yield Buffer.from(`hello from ${name}\n`)
        },
        async exec(_namespace, _name, _container, options) {
          options.stdout(Buffer.from(`ran ${options.command.join(' ')}\n`))
          for await (const bytes of options.stdin ?? []) options.stdout(bytes)
          return options.command[0] === 'false' ? 3 : 0
        },
      },
    })
    started.server.writeKubeconfig(join(started.folder, 'kubeconfig'), started.url)
    const context = { storage: started.server.storage, client: started.server.client, clock: realClock, logger: silentLogger }
    const controllers = createControllers(context, { ca: started.server.ca })
    running = controllers.run(stop.signal)
    await controllers.ready
    new FakeKubelet(context).start(stop.signal)
    for (const name of ['n1', 'n2']) await context.client.request('POST', '/api/v1/nodes', { body: { metadata: { name }, status: { conditions: [{ type: 'Ready', status: 'True' }] } } })
  })
  afterAll(async () => {
    stop.abort()
    await running
    await started[Symbol.asyncDispose]()
  })

  const kubectl = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(program, ['--kubeconfig', join(started.folder, 'kubeconfig'), '--cache-dir', join(started.folder, 'cache'), ...args])
    return stdout
  }
  const file = (name: string, object: unknown): string => {
    const path = join(started.folder, name)
    writeFileSync(path, JSON.stringify(object))
    return path
  }
  const deployment = (image: string): unknown => ({
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' },
    spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image, ports: [{ containerPort: 80, name: 'http' }] }] } } },
  })

  test('apply, get, rollout, scale, describe, delete', async () => {
    expect(await kubectl('apply', '-f', file('web.json', deployment('web:1')))).toBe('deployment.apps/web created\n')
    expect(await kubectl('apply', '-f', file('web.json', deployment('web:1')))).toBe('deployment.apps/web unchanged\n')
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=10s')
    expect(await kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=http')).toBe('service/web exposed\n')
    expect(await kubectl('apply', '-f', file('web.json', deployment('web:2')))).toBe('deployment.apps/web configured\n')
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=10s')
    await kubectl('rollout', 'undo', 'deployment/web')
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=10s')
    expect(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).toBe('web:1')
    await kubectl('scale', 'deployment/web', '--replicas=3')
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=10s')
    const pods = await kubectl('get', 'pods', '-o', 'wide')
    expect(pods).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES$/mu)
    expect(pods.match(/web-\S+ +1\/1 +Running/gu)).toHaveLength(3)
    expect(await kubectl('get', 'service', 'web')).toMatch(/^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nweb +ClusterIP +10\.96\.\S+ +<none> +80\/TCP/mu)
    expect(await kubectl('describe', 'service', 'web')).toMatch(/Endpoints: +10\.244/u)
    expect(await kubectl('get', 'endpointslices')).toMatch(/web-\w+ +IPv4 +80/u)
    for (const kind of ['pods', 'nodes', 'deployment', 'endpointslices', 'namespaces', 'events', 'leases', 'networkpolicies', 'all', 'crd']) await kubectl('get', kind, '-A')
    for (const object of ['deployment/web', 'node/n1', 'namespace/default']) expect(await kubectl('describe', object)).toContain('Name:')
    await kubectl('delete', 'deployment,service', 'web')
    await expect(kubectl('get', 'deployment', 'web')).rejects.toMatchObject({ stderr: expect.stringContaining('deployments.apps "web" not found') })
  })

  test('create sends protobuf and is understood', async () => {
    expect(await kubectl('create', 'configmap', 'made', '--from-literal=a=b')).toBe('configmap/made created\n')
    expect(await kubectl('get', 'configmap', 'made', '-o', 'jsonpath={.data.a}')).toBe('b')
    await kubectl('create', 'deployment', 'proto', '--image=x:1', '--replicas=2', '--port=80')
    expect(await kubectl('get', 'deployment', 'proto', '-o', 'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].ports[0].containerPort}')).toBe('2 80')
    await kubectl('delete', 'deployment', 'proto')
  })

  test('logs and exec reach the pod runtime', async () => {
    await kubectl('run', 'shell', '--image=x:1')
    await kubectl('wait', '--for=condition=Ready', 'pod/shell', '--timeout=10s')
    expect(await kubectl('logs', 'shell')).toBe('hello from shell\n')
    expect(await kubectl('exec', 'shell', '--', 'ls', '-l')).toBe('ran ls -l\n')
    await expect(kubectl('exec', 'shell', '--', 'false')).rejects.toMatchObject({ code: 3 })
    await kubectl('delete', 'pod', 'shell')
  })

  test('patch in all languages, server-side apply with conflicts', async () => {
    const policy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'p' }, spec: { podSelector: { matchLabels: { a: 'b' } } } }
    await kubectl('apply', '--server-side', '-f', file('policy.json', policy))
    await kubectl('patch', 'networkpolicy', 'p', '-p', '{"spec":{"policyTypes":["Egress"]}}')
    await kubectl('patch', 'networkpolicy', 'p', '--type=merge', '-p', '{"metadata":{"labels":{"x":"y"}}}')
    await kubectl('patch', 'networkpolicy', 'p', '--type=json', '-p', '[{"op":"replace","path":"/metadata/labels/x","value":"z"}]')
    expect(await kubectl('get', 'networkpolicy', 'p', '-o', 'jsonpath={.spec.policyTypes[*]} {.metadata.labels.x}')).toBe('Egress z')
    const other = { ...policy, spec: { podSelector: { matchLabels: { a: 'c' } } } }
    await expect(kubectl('apply', '--server-side', '--field-manager=other', '-f', file('other.json', other))).rejects.toMatchObject({ stderr: expect.stringContaining('Apply failed with 1 conflict: conflict with "kubectl": .spec.podSelector') })
    await kubectl('apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', file('other.json', other))
    await kubectl('label', 'networkpolicy', 'p', 'k=v')
    await kubectl('annotate', 'networkpolicy', 'p', 'k=v')
    await kubectl('delete', 'networkpolicy', 'p')
  })

  test('apply refuses unknown fields and bad values with their causes', async () => {
    const bad = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'bad' }, spec: { ports: [{ port: 0 }], nonsense: 1 } }
    await expect(kubectl('apply', '-f', file('bad.json', bad))).rejects.toMatchObject({ stderr: expect.stringContaining('unknown field "spec.nonsense"') })
    const worse = { ...bad, spec: { ports: [{ port: 70_000 }] } }
    await expect(kubectl('apply', '-f', file('bad.json', worse))).rejects.toMatchObject({ stderr: expect.stringContaining('spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive') })
  })

  test('explain and api-resources know every kind, auth can-i who may', async () => {
    expect(await kubectl('explain', 'pod.spec.containers.readinessProbe.httpGet')).toMatch(/FIELD: httpGet <HTTPGetAction>|FIELD: httpGet/u)
    expect(await kubectl('explain', 'deployment.spec.replicas')).toMatch(/FIELD: replicas <integer>/u)
    expect(await kubectl('explain', 'networkpolicy', '--recursive')).toMatch(/podSelector\s+<.*>\s+matchExpressions/u)
    const kinds = await kubectl('api-resources', '--no-headers')
    for (const kind of ['pods +po +v1 +true +Pod', 'endpointslices +discovery.k8s.io/v1 +true', 'clusterroles +rbac.authorization.k8s.io/v1 +false']) expect(kinds).toMatch(new RegExp(kind, 'u'))
    expect(await kubectl('auth', 'can-i', 'delete', 'nodes')).toBe('yes\n')
    await kubectl('create', 'serviceaccount', 'watcher')
    await kubectl('create', 'rolebinding', 'watcher', '--clusterrole=view', '--serviceaccount=default:watcher')
    const watcher = '--as=system:serviceaccount:default:watcher'
    expect(await kubectl('auth', 'can-i', 'list', 'pods', watcher)).toBe('yes\n')
    await expect(kubectl('auth', 'can-i', 'list', 'secrets', watcher)).rejects.toMatchObject({ stdout: 'no\n' })
    await expect(kubectl('get', 'pods', '-A', watcher)).rejects.toMatchObject({ stderr: expect.stringContaining('pods is forbidden: User "system:serviceaccount:default:watcher" cannot list resource "pods" in API group "" at the cluster scope') })
    expect(await kubectl('auth', 'can-i', '--list', watcher)).toMatch(/deployments\.apps +\[\] +\[\] +\[get list watch\]/u)
    expect(await kubectl('auth', 'whoami', watcher)).toContain('system:serviceaccounts:default')
  })

  test('get -w shows what comes', async () => {
    const child = spawn(program, ['--kubeconfig', join(started.folder, 'kubeconfig'), 'get', 'configmaps', '-w', '--no-headers'], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (bytes: Buffer) => { text += bytes.toString() })
    while (!text.includes('kube-root-ca.crt')) await realClock.sleep(20)
    await kubectl('create', 'configmap', 'watched')
    while (!text.includes('watched')) await realClock.sleep(20)
    child.kill()
    await once(child, 'exit')
    expect(text).toMatch(/watched +0 +\ds/u)
  })

  test('deletes a namespace with what is in it', async () => {
    await kubectl('create', 'namespace', 'gone')
    await kubectl('-n', 'gone', 'create', 'deployment', 'd', '--image=x:1')
    await kubectl('delete', 'namespace', 'gone', '--timeout=10s')
    await expect(kubectl('get', 'namespace', 'gone')).rejects.toMatchObject({ stderr: expect.stringContaining('not found') })
  })
})
