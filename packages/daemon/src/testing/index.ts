export { ManualClock } from './manual-clock.ts'
export { collectingLogger, type LogLine, silentLogger } from './loggers.ts'
export { skippable } from './skippable.ts'
