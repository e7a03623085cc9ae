import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BoundedLog, readLog } from './bounded-log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/weft-log-`)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('BoundedLog', () => {
  test('write() keeps whole lines with time and stream, read() strips them', () => {
    const log = new BoundedLog(`${folder}/a/0.log`, { format: 'cri' })
    log.write('stdout', 'one\ntw')
    log.write('stderr', 'problem\n')
    log.write('stdout', 'o\n')
    expect(readLog(`${folder}/a/0.log`)).toBe('one\nproblem\ntwo\n')
    expect(readLog(`${folder}/a/0.log`, { tail: 1, timestamps: true })).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z two\n$/)
    expect(readLog(`${folder}/a/0.log`, { since: new Date(Date.now() + 1000) })).toBe('')
    log.close()
  })

  test('write() never takes more than twice its bound', () => {
    const path = `${folder}/0.log`
    const log = new BoundedLog(path, { format: 'plain', maxBytes: 1000 })
    for (let line = 0; line < 500; line++) log.write('stdout', `line ${line}\n`)
    expect(statSync(path).size + statSync(`${path}.1`).size).toBeLessThanOrEqual(2000)
    expect(readLog(path, { tail: 2 })).toBe('line 498\nline 499\n')
    log.close()
  })

  test('read() follows until the log is closed', async () => {
    const log = new BoundedLog(`${folder}/0.log`, { format: 'plain' })
    log.write('stdout', 'before\n')
    setTimeout(() => {
      log.write('stdout', 'after\n')
      log.close()
    }, 10)
    expect(await Array.fromAsync(log.read({ follow: true }))).toEqual(['before\n', 'after\n'])
  })

  test('read() of nothing is empty', () => {
    expect(readLog(`${folder}/none.log`)).toBe('')
  })
})
