export { MemoryDisk } from './memory-disk.ts'
