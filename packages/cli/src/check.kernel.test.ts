import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const program = [process.execPath, '-C', 'dev', fileURLToPath(new URL('main.ts', import.meta.url)), 'check', '--json']

interface Told {
  readonly capabilities: readonly { readonly name: string, readonly present?: boolean }[]
}

function run(prefix: readonly string[], environment: Readonly<Record<string, string>> = {}): { readonly veth: boolean | undefined, readonly stderr: string, readonly status: number | null } {
  const [file, ...args] = [...prefix, ...program]
  const { stdout, stderr, status } = spawnSync(file!, args, { encoding: 'utf8', env: { PATH: process.env['PATH'], ...environment } })
  if (stdout === '') throw new Error(stderr)
  const { capabilities }: Told = JSON.parse(stdout)
  return { veth: capabilities.find(({ name }) => name === 'veth')?.present, stderr, status }
}

/** Not root: a user of this namespace's own, without rights in it. */
const asUser = ['unshare', '-U', '--map-user=1000', '--map-group=1000', '--']

test('weft check asks in namespaces of its own what an ordinary user may not', () => {
  expect(run(asUser)).toEqual({ veth: true, stderr: '', status: 0 })
})

test('weft check tells what could not be asked for where there are no namespaces to be had', () => {
  expect(run(asUser, { WEFT_IN_NAMESPACES: '1' })).toEqual({ veth: undefined, stderr: '', status: 0 })
})

test("weft check works in a user namespace whose network is its parent's, which cannot be entered again", () => {
  expect(run(['unshare', '-Ur', '--'], { WEFT_IN_NAMESPACES: '1' })).toEqual({ veth: undefined, stderr: '', status: 0 })
})
