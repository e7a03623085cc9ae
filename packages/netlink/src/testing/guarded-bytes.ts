/** Thrown when code looks at a byte that is not there: JavaScript itself would give `undefined`. */
class OutsideError extends Error {
  override readonly name = 'OutsideError'
}

const views = new WeakMap<object, Uint8Array>()

/** The same bytes, but reading before their start or after their end throws. Views of them are guarded too. */
export function guardedBytes(bytes: Uint8Array): Uint8Array {
  const guarded = new Proxy(bytes, {
    get(target, key): unknown {
      if (typeof key === 'string' && /^-?\d+$/.test(key)) {
        const at = Number(key)
        if (at < 0 || at >= target.length) throw new OutsideError(`byte ${at} of ${target.length}`)
        return target[at]
      }
      if (key === 'subarray' || key === 'slice') return (start?: number, end?: number) => guardedBytes(target[key](start, end))
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  views.set(guarded, bytes)
  return guarded
}

/** The bytes behind a guard: for built-in functions, which take no proxy. */
export function unguarded(bytes: Uint8Array): Uint8Array {
  return views.get(bytes) ?? bytes
}
