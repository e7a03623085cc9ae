export { Allocator, type AllocatorOptions } from './allocator.ts'
export { IpamError, type IpamErrorCode } from './ipam-error.ts'
export type { AllocateRequest, AttachmentKey, AttachmentRecord, AttachmentState, Reservation } from './model.ts'
export type { RangeSink, RangeSource } from './range-source.ts'
