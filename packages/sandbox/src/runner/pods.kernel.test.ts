import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { skippable } from '@weft/daemon/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isReady, processesWith, sandboxImpossible, startTestSandbox, TestFolder, type TestSandbox } from '../../test/test-sandbox.ts'

const impossible = sandboxImpossible()
const probe = { image: 'weft.dev/probe:1', args: ['netexec'], readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 } }

describe.skipIf(impossible !== undefined)(skippable('pods of the sandbox', impossible), () => {
  let folder: TestFolder
  let sandbox: TestSandbox
  beforeAll(async () => {
    folder = new TestFolder()
    sandbox = await startTestSandbox(folder)
  })
  afterAll(async () => {
    await sandbox?.handle.stop()
    folder[Symbol.dispose]()
  })
  const client = () => sandbox.handle.client
  const onNode = async (...words: readonly string[]): Promise<{ readonly code: number, readonly stderr: string }> => {
    const { code, stderr } = await client().onNode('n1', [process.execPath, '-C', 'dev', '--disable-warning=ExperimentalWarning', fileURLToPath(new URL('../../test/node-program.ts', import.meta.url)), ...words])
    return { code, stderr }
  }
  const at = (name: string, container?: string) => ({ namespace: 'default', name, ...(container === undefined ? {} : { container }) })

  test('a pod gets the addresses of the CNI result and is Ready when its probe says so (X6)', async () => {
    await sandbox.createPod('web', { containers: [{ name: 'web', ...probe }] })
    const pod = await sandbox.waitFor('web', isReady)
    expect(pod.status.phase).toBe('Running')
    expect(pod.status.podIPs?.map(({ ip }) => ip)).toEqual(['10.244.0.2', 'fd00:10:244::2'])
    const answers = await client().ask({ kind: 'node', node: 'n1' }, [
      { kind: 'http', host: '10.244.0.2', port: 8080, path: '/hostname' },
      { kind: 'http', host: 'fd00:10:244::2', port: 8080, path: '/clientip' },
      { kind: 'udp', host: '10.244.0.2', port: 8081, message: 'echo over udp' },
      { kind: 'tcp', host: '10.244.0.2', port: 81 },
      { kind: 'upload', host: '10.244.0.2', port: 8080, bytes: 300_000 },
    ])
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, false, true])
    expect(answers[0]!.answers).toEqual(['web'])
    expect(answers[1]!.answers[0]).toMatch(/^\[fd00:172:30:1::11\]:\d+$/)
    expect(answers[2]!.answers).toEqual(['over udp'])
    expect(answers[3]!.error).toBe('REFUSED')
  })

  test('containers share the network and host name, each has its own processes and files (X7)', async () => {
    await sandbox.createPod('two', { hostname: 'named', containers: [{ name: 'web', ...probe }, { name: 'shell', image: 'any', command: ['sleep', '1000'] }] })
    await sandbox.waitFor('two', isReady)
    const { stdout } = await client().exec(at('two', 'shell'), ['sh', '-c', 'hostname; cat /proc/1/comm; echo mine > /tmp/file; cat /etc/resolv.conf; ls /sys/class/net; grep CapEff /proc/self/status; echo "$KUBERNETES_SERVICE_HOST"; cat /run/secrets/kubernetes.io/serviceaccount/namespace'])
    const lines = stdout.split('\n')
    expect(lines.slice(0, 2)).toEqual(['named', 'sleep'])
    expect(stdout).toContain('search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\nnameserver fd00:10:96::a\noptions ndots:5')
    expect(stdout).toContain('eth0')
    // No CAP_SYS_ADMIN, no CAP_NET_ADMIN, but CAP_NET_RAW, as container runtimes have it.
    const capabilities = BigInt(`0x${/CapEff:\s*(\w+)/.exec(stdout)![1]}`)
    expect([21n, 12n, 13n].map((bit) => (capabilities >> bit) & 1n)).toEqual([0n, 0n, 1n])
    expect(stdout).toContain('10.96.0.1\ndefault')
    expect((await client().exec(at('two', 'web'), ['sh', '-c', 'test -e /tmp/file; echo $?; touch /usr/touched; agnhost connect 127.0.0.1:8080 && echo met'])).stdout).toBe('1\nmet\n')
    const answers = await client().ask({ kind: 'pod', ...at('two', 'shell') }, [{ kind: 'http', host: '::1', port: 8080, path: '/hostname' }, { kind: 'dns', name: 'named', type: 'lookup' }])
    expect(answers.map(({ answers }) => answers[0])).toEqual(['named', expect.stringContaining('10.244.0.')])
  })

  test('containers cannot read the state folder (X8)', async () => {
    const { stdout, stderr } = await client().exec(at('two', 'shell'), ['sh', '-c', `cat /.machine${folder.path}/state/kubeconfig; ls /.machine${folder.path}/state; umount /.machine${folder.path}/state`])
    expect(stdout).toBe('')
    expect(stderr).toContain('No such file')
  })

  test('exec passes standard input, both outputs and the exit code', async () => {
    expect(await client().exec(at('web'), ['sh', '-c', 'cat; echo problem >&2; exit 7'], { stdin: 'some input' })).toEqual({ code: 7, stdout: 'some input', stderr: 'problem\n' })
    expect((await client().exec(at('web'), ['sh', '-c', 'head -c 3000000 /dev/zero'])).stdout.length).toBe(3_000_000)
    await expect(client().exec(at('nowhere'), ['true'])).rejects.toMatchObject({ code: 'ERR_SANDBOX_CONTROL' })
    expect((await client().exec(at('web'), ['no-such-program'])).code).not.toBe(0)
    const abort = AbortSignal.timeout(300)
    await expect(client().exec(at('web'), ['sleep', '12345'], { signal: abort })).rejects.toThrow(/timeout|aborted/)
    await sleep(300)
    expect(processesWith('12345')).toEqual([])
  })

  test('environment, volumes and mount paths that the machine does not have', async () => {
    await sandbox.api('POST', '/api/v1/namespaces/default/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { 'a.txt': 'from map', 'KEY': 'value' } })
    await sandbox.createPod('full', {
      restartPolicy: 'Never',
      initContainers: [{ name: 'first', image: 'any', command: ['sh', '-c', 'echo made by init > /shared/file'], volumeMounts: [{ name: 'shared', mountPath: '/shared' }] }],
      containers: [{
        name: 'main', image: 'any', workingDir: '/data/deep', command: ['sh', '-c', 'pwd; cat /etc/app/a.txt file; echo; echo $POD_IP $EXPANDED $KEY; echo x > /etc/app/a.txt; exit 3'],
        env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, { name: 'EXPANDED', value: '<$(POD_IP)>' }],
        envFrom: [{ configMapRef: { name: 'settings' } }],
        volumeMounts: [{ name: 'shared', mountPath: '/data/deep' }, { name: 'settings', mountPath: '/etc/app', readOnly: true }],
      }],
      volumes: [{ name: 'shared', emptyDir: {} }, { name: 'settings', configMap: { name: 'settings' } }],
    })
    const pod = await sandbox.waitFor('full', (pod) => pod?.status.phase === 'Failed')
    const [ip] = pod.status.podIPs!
    expect(pod.status.containerStatuses![0]!.state['terminated']).toMatchObject({ exitCode: 3, reason: 'Error' })
    let log = ''
    for await (const text of client().logs({ source: { kind: 'pod', ...at('full') } })) log += text
    expect(log).toContain(`/data/deep\nfrom mapmade by init\n\n${ip!.ip} <${ip!.ip}> value\n`)
    expect(log).toContain('Read-only file system')
  })

  test('a container that ends is started again, ever later; its status tells (X9)', async () => {
    await sandbox.createPod('crash', { containers: [{ name: 'main', image: 'any', command: ['sh', '-c', 'echo run; exit 4'] }] })
    const pod = await sandbox.waitFor('crash', (pod) => (pod?.status.containerStatuses?.[0]?.restartCount ?? 0) >= 1 && pod?.status.containerStatuses?.[0]?.state['waiting'] !== undefined)
    expect(pod.status.containerStatuses![0]!.state['waiting']!.reason).toBe('CrashLoopBackOff')
    expect(pod.status.containerStatuses![0]!.lastState['terminated']!.exitCode).toBe(4)
  })

  test('an unknown image waits with a reason', async () => {
    await sandbox.createPod('image', { containers: [{ name: 'main', image: 'nginx:1' }] })
    const pod = await sandbox.waitFor('image', (pod) => pod?.status.containerStatuses?.[0]?.state['waiting']?.reason === 'ErrImageNeverPull')
    expect(pod.status.containerStatuses![0]!.state['waiting']!.message).toContain('nginx:1')
    await sandbox.deletePod('image')
    await sandbox.waitFor('image', (pod) => pod === undefined)
  })

  test('a failing liveness probe restarts the container, a failing readiness probe does not', async () => {
    await sandbox.createPod('health', { containers: [{
      name: 'main', image: 'any', command: ['sh', '-c', 'touch /tmp/live /tmp/ready; exec sleep 1000'],
      livenessProbe: { exec: { command: ['cat', '/tmp/live'] }, periodSeconds: 1, failureThreshold: 1 },
      readinessProbe: { exec: { command: ['cat', '/tmp/ready'] }, periodSeconds: 1, failureThreshold: 1 },
    }] })
    await sandbox.waitFor('health', isReady)
    await client().exec(at('health'), ['rm', '/tmp/ready'])
    const unready = await sandbox.waitFor('health', (pod) => !isReady(pod))
    expect(unready.status.containerStatuses![0]!.restartCount).toBe(0)
    await client().exec(at('health'), ['rm', '/tmp/live'])
    await sandbox.waitFor('health', (pod) => pod?.status.containerStatuses?.[0]?.restartCount === 1 && isReady(pod))
  })

  test('deletion gives the grace period, and the pod stays in the API as terminating meanwhile (X10)', async () => {
    const command = ['sh', '-c', 'trap "sleep 0.7; echo graceful; exit 0" TERM; echo up; while :; do sleep 0.05; done']
    await sandbox.createPod('graceful', { terminationGracePeriodSeconds: 20, containers: [{ name: 'main', image: 'any', command }] })
    await sandbox.waitFor('graceful', isReady)
    const start = performance.now()
    await sandbox.deletePod('graceful')
    expect((await sandbox.pod('graceful'))?.metadata.deletionTimestamp).toBeDefined()
    await sandbox.waitFor('graceful', (pod) => pod === undefined)
    expect(performance.now() - start).toBeGreaterThan(600)
    expect(performance.now() - start).toBeLessThan(5000)
  })

  test('who ignores SIGTERM is killed after the grace period; nothing of the pod is left', async () => {
    await sandbox.createPod('stubborn', { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'any', command: ['sleep', '54321'] }] })
    const { metadata: { uid } } = await sandbox.waitFor('stubborn', isReady)
    const start = performance.now()
    await sandbox.deletePod('stubborn')
    await sandbox.waitFor('stubborn', (pod) => pod === undefined)
    expect(performance.now() - start).toBeGreaterThan(900)
    expect(processesWith('54321')).toEqual([])
    // The object goes first, then what is left on disk.
    await sleep(100)
    const { stdout } = await client().run({ kind: 'sandbox' }, ['sh', '-c', `cd ${folder.path}/state/run/n1; ls pods; grep -l stubborn cni-results/*`])
    expect(stdout).not.toContain(uid)
    expect(stdout).not.toContain('cni-results')
  })

  test('a container that is deleted before it has a handler for SIGTERM is told again when it has one', async () => {
    const command = ['sh', '-c', 'sleep 1.5; trap "exit 0" TERM; while :; do sleep 0.05; done']
    await sandbox.createPod('early', { terminationGracePeriodSeconds: 30, containers: [{ name: 'main', image: 'any', command }] })
    await sandbox.waitFor('early', isReady)
    await sandbox.deletePod('early')
    // Long before the grace period is over.
    expect(await sandbox.waitFor('early', (pod) => pod === undefined)).toBeUndefined()
  })

  test('a deletion without grace ends a pod at once', async () => {
    await sandbox.createPod('forced', { terminationGracePeriodSeconds: 30, containers: [{ name: 'main', image: 'any', command: ['sleep', '65432'] }] })
    await sandbox.waitFor('forced', isReady)
    await sandbox.deletePod('forced', 0)
    const deadline = performance.now() + 2000
    while (processesWith('65432').length > 0 && performance.now() < deadline) await sleep(20)
    expect(processesWith('65432')).toEqual([])
    expect(await sandbox.pod('forced')).toBeUndefined()
  })

  test('a lost pause makes the pod anew with another address', async () => {
    await sandbox.createPod('lost', { containers: [{ name: 'web', ...probe }] })
    const before = await sandbox.waitFor('lost', isReady)
    const pause = processesWith('lost').find((line) => line.includes('unshare --uts'))!
    process.kill(Number(pause.split(' ')[0]), 'SIGKILL')
    const after = await sandbox.waitFor('lost', (pod) => isReady(pod) && pod!.status.podIPs![0]!.ip !== before.status.podIPs![0]!.ip)
    expect(after.status.phase).toBe('Running')
  })

  test('the host network is the node\'s (X11)', async () => {
    await sandbox.createPod('host', { hostNetwork: true, containers: [{ name: 'web', image: 'weft.dev/probe', args: ['netexec', '--http-port=18080', '--udp-port=18081'], readinessProbe: { httpGet: { path: '/hostname', port: 18080 }, periodSeconds: 1 } }] })
    const pod = await sandbox.waitFor('host', isReady)
    expect(pod.status.podIPs?.map(({ ip }) => ip)).toEqual(['172.30.1.11', 'fd00:172:30:1::11'])
    const answers = await client().ask({ kind: 'outside' }, [{ kind: 'http', host: '172.30.1.11', port: 18080, path: '/clientip' }, { kind: 'http', host: 'fd00:172:30:1::11', port: 18080, path: '/hostname' }])
    expect(answers.map(({ answers }) => answers[0])).toEqual([expect.stringMatching(/^203\.0\.113\.10:/), 'n1'])
  })

  test('a network that is not ready makes the node NotReady, and pods wait for it (X12)', async () => {
    writeFileSync(sandbox.refuseFile, '')
    await sandbox.createPod('later', { containers: [{ name: 'web', ...probe }] })
    await sleep(500)
    expect((await sandbox.pod('later'))?.status.podIPs).toBeUndefined()
    rmSync(sandbox.refuseFile)
    await sandbox.waitFor('later', isReady, 15_000)
    await client().checkAttachment(at('later'))
    expect(await onNode('delete-links', 'std')).toEqual({ code: 0, stderr: '' })
    await expect(client().checkAttachment(at('later'))).rejects.toThrow(/is gone/)
  })

  test('packets with foreign sources do not pass the router (X13)', async () => {
    for (const [node, pod] of [['172.30.2.12', '10.244.0.2'], ['fd00:172:30:2::12', 'fd00:10:244::2']] as const) {
      expect(await onNode('add-address', pod)).toEqual({ code: 0, stderr: '' })
      expect(await onNode('echo', node)).toEqual({ code: 0, stderr: '' })
      expect(await onNode('echo', node, pod)).toEqual({ code: 1, stderr: '' })
    }
  })
})
