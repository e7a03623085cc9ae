import { describe, expect, test } from 'vitest'
import { mountsAt } from './machine-tree.ts'

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
