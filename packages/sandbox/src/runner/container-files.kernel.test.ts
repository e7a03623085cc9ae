import { existsSync, rmSync } from 'node:fs'
import { skippable } from '@weft/daemon/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mountsAt } from '../inside/machine-tree.ts'
import { isReady, sandboxImpossible, startTestSandbox, TestFolder, type TestSandbox } from '../../test/test-sandbox.ts'

const impossible = sandboxImpossible()
const at = { namespace: 'default', name: 'writer' }

describe.skipIf(impossible !== undefined)(skippable('files of containers', impossible), () => {
  let folder: TestFolder
  let sandbox: TestSandbox
  beforeAll(async () => {
    folder = new TestFolder()
    sandbox = await startTestSandbox(folder, { nodes: 1 })
    await sandbox.createPod('writer', {
      containers: [{ name: 'main', image: 'any', command: ['sleep', '1000'], volumeMounts: [{ name: 'memory', mountPath: '/dev/shm' }] }],
      volumes: [{ name: 'memory', emptyDir: {} }],
    })
    await sandbox.waitFor('writer', isReady)
  })
  afterAll(async () => {
    await sandbox?.handle.stop()
    folder[Symbol.dispose]()
  })
  const sh = async (script: string) => await sandbox.handle.client.exec(at, ['sh', '-c', script])

  test('nothing of the machine can be written, whatever is mounted there (X8)', async () => {
    const name = `weft-touched-${process.pid}`
    const { stdout } = await sh(`for d in /usr /home /root /opt /.machine /.machine/dev /.machine/dev/shm /.machine/dev/pts /.machine/tmp /.machine/home /.machine/sys/fs/cgroup /; do touch $d/${name} 2>/dev/null && echo $d; done`)
    const touched = ['/usr', '/home', '/root', '/opt', '/dev', '/dev/shm', '/tmp', '/sys/fs/cgroup', ''].map((dir) => `${dir}/${name}`).filter((path) => existsSync(path))
    for (const path of touched) rmSync(path)
    expect(touched).toEqual([])
    expect(stdout).toBe('')
    // Every mount below the machine's tree, as the container itself sees them.
    const mounts = await sh('cat /proc/self/mountinfo')
    const writable = [...mountsAt('/.machine', mounts.stdout)].filter(([, attributes]) => !attributes.includes('ro')).map(([path]) => path)
    // What lies below a folder that is hidden (the state folder, folders closed to this user) is listed all the same, and cannot be reached.
    const { stdout: reached } = await sh([':', ...writable].map((path) => `[ -e '${path}' ] && echo '${path}'`).join('; '))
    expect(reached).toBe('')
  })

  test('devices of the machine do not work, but for those of /dev (X8)', async () => {
    const { stdout, stderr } = await sh('ls /dev; echo x > /dev/null && head -c 2 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; chmod 600 /dev/null 2>/dev/null; test -c /dev/ptmx; echo $?')
    expect(stderr).toBe('')
    expect(stdout.split('\n')).toEqual(['fd', 'full', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero', '2', '3', '0', ''])
    expect((await sh('head -c 1 /.machine/dev/zero')).stderr).toContain('Permission denied')
  })

  test('/dev is the container\'s own', async () => {
    const name = `weft-own-${process.pid}`
    expect(await sh(`echo a > /dev/${name}; echo b > /dev/shm/${name}; cat /dev/${name} /dev/shm/${name}`)).toEqual({ code: 0, stdout: 'a\nb\n', stderr: '' })
    expect([`/dev/${name}`, `/dev/shm/${name}`].filter((path) => existsSync(path))).toEqual([])
    expect((await sh('script -qec "tty" /dev/null')).stdout.trim()).toBe('/dev/pts/0')
  })
})
