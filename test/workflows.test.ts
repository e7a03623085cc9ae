import { execFileSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { filesOf, read, root } from '../scripts/workspace.ts'

interface Job {
  readonly uses?: string
  readonly steps?: readonly { readonly uses?: string, readonly run?: string }[]
}

const workflows = filesOf('.github/workflows/*.yaml')
const jobs = workflows.flatMap((file) => Object.entries((parse(read(file)) as { readonly jobs: Readonly<Record<string, Job>> }).jobs).map(([name, job]) => ({ at: `${file} ${name}`, job })))
const scripts = filesOf('scripts/ci/*.sh')
const commands = [...read('packages/cli/src/main.ts').matchAll(/\.command\('([\w-]+)'\)/g)].map(([, name]) => name!)

describe('.github/workflows', () => {
  test('there are some', () => expect(workflows.length).toBeGreaterThan(3))

  test('steps call one script or one command of this repository, and it is there', () => {
    const runs = jobs.flatMap(({ at, job }) => (job.steps ?? []).flatMap(({ run }) => (run === undefined ? [] : [{ at, run }])))
    expect(runs.length).toBeGreaterThan(5)
    const wrong = runs.filter(({ run }) => {
      const [program, command] = run.split(' ')
      if (/[\n;|&]/.test(run)) return true
      return program === './weft' ? !commands.includes(command!) : !scripts.includes(program!)
    })
    expect(wrong).toEqual([])
  })

  test('actions and workflows are named with a version, or are here', () => {
    const used = jobs.flatMap(({ job }) => [...(job.uses === undefined ? [] : [job.uses]), ...(job.steps ?? []).flatMap(({ uses }) => (uses === undefined ? [] : [uses]))])
    expect(used.filter((each) => (each.startsWith('./') ? !existsSync(join(root, each)) : !/^[\w-]+\/[\w-]+@v\d+$/.test(each)))).toEqual([])
  })

  test.each([...scripts])('%s can be run, and is called', (file) => {
    expect(statSync(join(root, file)).mode & 0o111).not.toBe(0)
    execFileSync('bash', ['-n', join(root, file)])
    expect(workflows.some((workflow) => read(workflow).includes(file)), 'no workflow calls it').toBe(true)
  })
})
