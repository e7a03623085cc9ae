import { NetlinkError } from '@weft/netlink'
import { describe, expect, test } from 'vitest'
import { mountsAt, sealMachineTree } from './machine-tree.ts'

describe('mountsAt()', () => {
  test('has the mounts at and below a folder, unescaped, the topmost of each place', () => {
    const text = [
      '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
      '50 27 254:0 / /run/a\\040b rw,nosuid,relatime shared:1 - ext4 /dev/vda rw',
      '51 50 0:6 / /run/a\\040b/dev rw,noexec - devtmpfs devtmpfs rw,mode=755',
      '52 51 0:7 / /run/a\\040b/dev ro,nodev - tmpfs tmpfs rw',
      '53 50 0:8 / /run/a\\040b/auto rw - autofs systemd-1 rw',
      '54 27 0:9 / /run/a\\040bc rw - tmpfs tmpfs rw',
      '',
    ].join('\n')
    expect([...mountsAt('/run/a b', text)]).toEqual([
      ['/run/a b', ['rw', 'nosuid', 'relatime']],
      ['/run/a b/dev', ['ro', 'nodev']],
    ])
  })
})

describe('sealMachineTree()', () => {
  const EACCES = 13
  const ENOENT = 2
  const refuse = (errno: number): never => { throw new NetlinkError({ operation: 'mount', errno }) }

  /** Seals a tree with these mount points; `closed` is a folder of another user's. */
  function seal(points: readonly string[], closed: string): { readonly sealed: readonly string[], readonly hidden: readonly string[] } {
    const [sealed, hidden]: [string[], string[]] = [[], []]
    const isClosed = (path: string): boolean => path.startsWith(`${closed}/`)
    sealMachineTree('/t', {
      info: () => points.map((point) => `1 1 0:1 / ${point} rw,nosuid - tmpfs tmpfs rw`).join('\n'),
      setAttributes(path, attributes) {
        // Under an empty folder nothing is found.
        if (isClosed(path)) refuse(hidden.includes(closed) ? ENOENT : EACCES)
        sealed.push(`${path} ${[...attributes].join()}`)
      },
      hideFolder(path) {
        if (isClosed(path)) refuse(EACCES)
        hidden.push(path)
      },
    })
    return { sealed, hidden }
  }

  test('makes every mount read-only and without devices', () => {
    expect(seal(['/t', '/t/home'], '/none')).toEqual({ sealed: ['/t rw,nosuid,ro,nodev', '/t/home rw,nosuid,ro,nodev'], hidden: [] })
  })

  test('hides the folder that lets nobody through, once, and seals the rest', () => {
    expect(seal(['/t', '/t/var/docker/a/merged', '/t/var/docker/b', '/t/home'], '/t/var/docker')).toMatchObject({ sealed: [expect.any(String), '/t/home rw,nosuid,ro,nodev'], hidden: ['/t/var/docker'] })
  })

  test('fails when not even the tree itself can be changed', () => {
    expect(() => seal(['/t/x'], '/t')).toThrow(NetlinkError)
  })
})
