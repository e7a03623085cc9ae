import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { identifyProcess } from './process-identity.ts'
import { stateFolder, type StateFolder } from './state-folder.ts'
import { claimStateFolder, readState, type SandboxState } from './state-file.ts'

let folder: StateFolder
let state: SandboxState
beforeEach(() => {
  folder = stateFolder(mkdtempSync(`${tmpdir()}/weft-state-`))
  state = { phase: 'starting', launcher: identifyProcess(process.pid)!, nodes: ['n1'], family: 'dual', server: 'https://127.0.0.1:1', startedAt: '2026-01-01T00:00:00Z' }
})
afterEach(() => rmSync(folder.root, { recursive: true, force: true }))

describe('claimStateFolder()', () => {
  test('gives the folder to the first only', () => {
    expect(claimStateFolder(folder, state)).toBeUndefined()
    expect(statSync(folder.stateFile).mode & 0o777).toBe(0o600)
    expect(claimStateFolder(folder, { ...state, startedAt: 'later' })).toEqual(state)
  })

  test('leaves nothing but the whole file', () => {
    claimStateFolder(folder, state)
    claimStateFolder(folder, state)
    expect(readdirSync(folder.root)).toEqual(['state.json'])
  })

  test('takes it from a dead one, and from garbage, and clears what they left', () => {
    const dead = { ...state, launcher: { ...state.launcher, startTicks: 1 } }
    claimStateFolder(folder, dead)
    mkdirSync(`${folder.run}/left`, { recursive: true })
    writeFileSync(folder.controlSocket, '')
    expect(claimStateFolder(folder, state)).toBeUndefined()
    expect(readState(folder)).toEqual(state)
    expect(() => statSync(folder.run)).toThrow(/ENOENT/)
    writeFileSync(folder.stateFile, '{"phase":')
    expect(claimStateFolder(folder, state)).toBeUndefined()
  })
})

describe('stateFolder()', () => {
  test('refuses paths that sockets or fstab cannot carry', () => {
    expect(() => stateFolder(`/${'x'.repeat(90)}`)).toThrow(/unix sockets leave room/)
    for (const bad of ['/a"b', '/a\\b', '/a#b', '/a\nb']) expect(() => stateFolder(bad)).toThrow(/Cannot use state folder/)
    expect(stateFolder('/with space').controlSocket).toBe('/with space/control.sock')
  })
})
