import type { z } from 'zod'

/**
 * Where a schema would drop unknown keys in silence. zod's plain `object()` does, so that a mistyped key of a
 * configuration would be no error; `strictObject()` does not, and `looseObject()` says that it means it.
 *
 * @returns Paths of plain objects, e.g. `forward[]`; the schema itself is `(root)`.
 */
export function silentObjects(schema: z.core.$ZodType): readonly string[] {
  const found: string[] = []
  const seen = new Set<z.core.$ZodType>()
  const visit = (type: z.core.$ZodType, path: string): void => {
    if (seen.has(type)) return
    seen.add(type)
    // The union of all definitions: `def.type` tells them apart.
    const { def } = (type as z.core.$ZodTypes)._zod
    switch (def.type) {
      case 'object':
        if (def.catchall === undefined) found.push(path === '' ? '(root)' : path)
        for (const [key, value] of Object.entries(def.shape)) visit(value, path === '' ? key : `${path}.${key}`)
        break
      case 'array': visit(def.element, `${path}[]`); break
      case 'tuple': for (const item of def.items) visit(item, `${path}[]`); break
      case 'record': visit(def.valueType, `${path}.*`); break
      case 'union': for (const option of def.options) visit(option, path); break
      case 'intersection': visit(def.left, path); visit(def.right, path); break
      case 'pipe': visit(def.in, path); visit(def.out, path); break
      case 'lazy': visit(def.getter(), path); break
      case 'optional': case 'nullable': case 'default': case 'prefault': case 'nonoptional': case 'readonly': case 'catch':
        visit(def.innerType, path)
        break
      default:
    }
  }
  visit(schema, '')
  return found
}
