import { describe, expect, test } from 'vitest'
import { collectingLogger, silentLogger } from './loggers.ts'

describe('collectingLogger()', () => {
  test('keeps lines in order, a child adds its fields', () => {
    const logger = collectingLogger()
    logger.info({ node: 'a' }, 'started')
    logger.child({ loop: 'proxy' }).child({ run: 1 }).warn({ run: 2 }, 'failed')
    expect(logger.lines).toEqual([{ level: 'info', message: 'started', fields: { node: 'a' } }, { level: 'warn', message: 'failed', fields: { loop: 'proxy', run: 2 } }])
    expect(silentLogger.child({})).toBe(silentLogger)
  })
})
