import { describe, expect, test } from 'vitest'
import { type MachineSigns, refusalOf } from './machine.ts'

const fine: MachineSigns = { missingPrograms: [], exitCode: 0, stderr: '', apparmorRestriction: undefined, unprivilegedClone: undefined, maxUserNamespaces: '96365', seccomp: '0' }
const refused = (signs: Partial<MachineSigns>): string | undefined => refusalOf({ ...fine, exitCode: 1, ...signs })

describe('refusalOf()', () => {
  test('says nothing where namespaces are allowed', () => {
    expect(refusalOf(fine)).toBeUndefined()
    // AppArmor's switch may be on while a profile lets this program through.
    expect(refusalOf({ ...fine, apparmorRestriction: '1' })).toBeUndefined()
  })

  test('names AppArmor, Debian\'s switch, the limit, seccomp, and the way out', () => {
    expect(refused({ apparmorRestriction: '1', stderr: 'unshare: write failed /proc/self/uid_map: Operation not permitted' })).toContain('kernel.apparmor_restrict_unprivileged_userns=0')
    expect(refused({ unprivilegedClone: '0', stderr: 'unshare: unshare failed: Operation not permitted' })).toContain('kernel.unprivileged_userns_clone=1')
    expect(refused({ maxUserNamespaces: '0', stderr: 'unshare: unshare failed: No space left on device' })).toContain('user.max_user_namespaces` is 0')
    expect(refused({ seccomp: '2', stderr: 'unshare: unshare failed: Operation not permitted' })).toContain('seccomp=unconfined')
  })

  test('names missing programs and too old ones', () => {
    expect(refused({ missingPrograms: ['setpriv'], exitCode: undefined })).toContain('not found: setpriv')
    expect(refused({ stderr: "unshare: unrecognized option '--kill-child=KILL'" })).toContain('util-linux 2.32')
  })

  test('repeats what it cannot explain', () => {
    expect(refused({ stderr: 'unshare: something new' })).toMatch(/^Cannot start the sandbox: .*something new$/)
  })
})
