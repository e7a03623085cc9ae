import { describe, expect, it } from 'vitest'
import { NetlinkError, errnoName, isAlreadyExists, isBusy, isNotFound, isNotSupported, isOverrun, isPermissionDenied, isRetryable, isTooLarge } from './errors.ts'

describe('NetlinkError', () => {
  it('says what was tried and what the kernel says', () => {
    const error = new NetlinkError({ operation: 'change link 2', errno: 22, kernelMessage: 'mtu less than device minimum', offset: 36 })
    expect(error.message).toBe('Cannot change link 2: invalid argument, the kernel says: mtu less than device minimum (EINVAL)')
    expect(error).toMatchObject({ operation: 'change link 2', errno: 22, code: 'EINVAL', kernelMessage: 'mtu less than device minimum', offset: 36 })
  })

  it('errnoName() has the kernel’s name where libuv has none or another', () => {
    expect([2, 61, 95, 4000].map(errnoName)).toEqual(['ENOENT', 'ENODATA', 'EOPNOTSUPP', 'E4000'])
  })

  it.each([
    ['isNotFound', isNotFound, [2, 3, 6, 19, 99]],
    ['isAlreadyExists', isAlreadyExists, [17]],
    ['isBusy', isBusy, [16]],
    ['isPermissionDenied', isPermissionDenied, [1, 13]],
    ['isNotSupported', isNotSupported, [95, 97, 93, 38]],
    ['isTooLarge', isTooLarge, [90]],
    ['isOverrun', isOverrun, [105]],
    ['isRetryable', isRetryable, [4, 11, 105, 16, 12]],
  ] as const)('%s() knows its codes and only those', (_name, predicate, codes: readonly number[]) => {
    for (let errno = 1; errno < 134; errno++) expect(predicate(new NetlinkError({ operation: 'x', errno })), `errno ${errno}`).toBe(codes.includes(errno))
    expect(predicate(new Error('x'))).toBe(false)
    expect(predicate(undefined)).toBe(false)
  })
})
