import { demoNamespace } from '@weft/checks'
import { skippable } from '@weft/daemon/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasProgram, kubectl, kubectlProgram, type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: hello, namespace: default }
spec:
  replicas: 2
  selector: { matchLabels: { app: hello } }
  template:
    metadata: { labels: { app: hello } }
    spec:
      containers:
        - { name: hello, image: "registry.example/agnhost:2.53", args: [netexec, --http-port=8080], ports: [{ containerPort: 8080 }], readinessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1 } }
---
apiVersion: v1
kind: Service
metadata: { name: hello, namespace: default }
spec: { selector: { app: hello }, ports: [{ port: 80, targetPort: 8080 }] }
`

const missing = await hasProgram(kubectlProgram) ? undefined : `Needs ${kubectlProgram}, not found on the PATH`

describe.skipIf(missing !== undefined)(skippable('kubectl on the sandbox', missing), () => {
  let sandbox: RunningSandbox

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4', { nodes: 2 })
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  test('get shows nodes and pods as tables', async () => {
    expect(await kubectl(sandbox.handle, ['get', 'nodes'])).toMatch(/n1\s+Ready/)
    expect(await kubectl(sandbox.handle, ['get', 'pods', '-n', demoNamespace, '-o', 'wide'])).toMatch(/client\s+2\/2\s+Running/)
  })

  test('apply, rollout, describe, scale and delete a Deployment behind a Service', async () => {
    await kubectl(sandbox.handle, ['apply', '-f', '-'], { stdin: manifest })
    await kubectl(sandbox.handle, ['rollout', 'status', 'deployment/hello', '--timeout=45s'])
    await kubectl(sandbox.handle, ['scale', 'deployment/hello', '--replicas=3'])
    await kubectl(sandbox.handle, ['apply', '--server-side', '--force-conflicts', '-f', '-'], { stdin: manifest })
    // The third pod is on its way out, and would never be Ready: `kubectl wait` for all of them is no question to ask.
    await kubectl(sandbox.handle, ['rollout', 'status', 'deployment/hello', '--timeout=45s'])
    // As in Kubernetes, a roll-out is done when enough pods are there; those that are too many may be counted for a moment.
    await expect.poll(async () => (JSON.parse(await kubectl(sandbox.handle, ['get', 'deployment', 'hello', '-o', 'json'])) as { readonly status: object }).status, { timeout: 30_000 })
      .toMatchObject({ replicas: 2, readyReplicas: 2, updatedReplicas: 2, availableReplicas: 2 })
    expect(await kubectl(sandbox.handle, ['describe', 'service', 'hello'])).toMatch(/Endpoints:\s+10\.244\./)
    const { code, stdout } = await sandbox.cluster.run({ kind: 'pod', namespace: demoNamespace, name: 'client' }, ['weft-probe', 'ask', '[{"kind":"http","host":"hello.default","port":80,"path":"/hostname"}]'])
    expect({ code, answer: (JSON.parse(stdout) as { ok: boolean }[])[0]!.ok }).toEqual({ code: 0, answer: true })
    await kubectl(sandbox.handle, ['delete', 'deployment,service', 'hello'])
    expect(await kubectl(sandbox.handle, ['get', 'services'])).not.toContain('hello')
  })

  test('auth can-i tells what the programs of the network may', async () => {
    const agent = '--as=system:serviceaccount:kube-system:weft-agent'
    expect(await kubectl(sandbox.handle, ['auth', 'can-i', 'watch', 'networkpolicies.networking.k8s.io', agent])).toBe('yes\n')
    await expect(kubectl(sandbox.handle, ['auth', 'can-i', 'get', 'secrets', '-A', agent])).rejects.toMatchObject({ stdout: 'no\n' })
    expect(await kubectl(sandbox.handle, ['explain', 'ippool.spec.cidr'])).toContain('FIELD: cidr <string>')
  })

  test('exec and logs reach a container', async () => {
    expect(await kubectl(sandbox.handle, ['logs', '-n', demoNamespace, 'client', '-c', 'web'])).toBeDefined()
    expect(await kubectl(sandbox.handle, ['exec', '-n', demoNamespace, 'client', '-c', 'web', '--', 'hostname'])).toBe('client\n')
  })
})
