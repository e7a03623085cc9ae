export { FakeNft } from './fake-nft.ts'
export type { Trace, TraceConnection, TraceOptions, TracePacket, TraceStep } from '../trace/tracer.ts'
