import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { describe, expect, test } from 'vitest'
import { root } from './paths.ts'
import { isSkipAllowed, parseAllowedSkips } from './skip-reasons.ts'

const allowed = parseAllowedSkips('# why\nNeeds .+, not found on the PATH\n\nthe kernel has no log\n')

describe('isSkipAllowed()', () => {
  test.each([
    [skippable('reads', 'Needs nft and ip, not found on the PATH'), true],
    [`${skippable('group', 'the kernel has no log')} reads [a list]`, true],
    [`writes, by ${skippable('nft', 'Needs nft, not found on the PATH')}, and reads`, true],
    [`${skippable('group', 'the kernel has no log')} ${skippable('reads', 'Needs nft, not found on the PATH')}`, true],
    [`${skippable('group', 'the kernel has no log')} ${skippable('reads', 'no time')}`, false],
    [skippable('reads', 'the kernel has no log and no time'), false],
    ['reads', false],
    [skippable('reads', undefined), false],
  ])('%s: %s', (name, isAllowed) => {
    expect(isSkipAllowed(name, allowed)).toBe(isAllowed)
  })
})

describe('parseAllowedSkips()', () => {
  test('reads the list of the repository', () => {
    const list = parseAllowedSkips(readFileSync(join(root, 'test/allowed-skips.txt'), 'utf8'))
    expect(isSkipAllowed(skippable('x', 'Kernel tests need CAP_NET_ADMIN: run them under `unshare -Urnm --propagation private`'), list)).toBe(true)
    expect(isSkipAllowed(skippable('x', 'Needs helm, not found on the PATH (HELM names another)'), list)).toBe(true)
    expect(isSkipAllowed(skippable('x', 'flaky'), list)).toBe(false)
  })
})
