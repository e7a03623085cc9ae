import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { loadConfig } from './config.ts'
import type { ConfigError } from './config-error.ts'
import { durationSchema } from './duration.ts'

const schema = z.strictObject({
  name: z.string().default('node'),
  resync: durationSchema.prefault('30s'),
  ports: z.array(z.number().int().max(65_535)).default([]),
  dns: z.strictObject({ zone: z.string().default('cluster.local') }).prefault({}),
})
const source = '/etc/weft/agent.yaml'

function problemsOf(input: unknown, of: z.ZodType = schema): readonly string[] {
  try {
    loadConfig(of, input, { source })
  } catch (error) {
    expect(error).toMatchObject({ name: 'ConfigError', code: 'ERR_CONFIG_INVALID' })
    return (error as ConfigError).problems
  }
  return []
}

describe('loadConfig()', () => {
  test.each([['YAML', 'name: a\nresync: 1m\nports: [80]\ndns: { zone: x }'], ['JSON', '{"name":"a","resync":"1m","ports":[80],"dns":{"zone":"x"}}'], ['a value', { name: 'a', resync: '1m', ports: [80], dns: { zone: 'x' } }]])('reads %s (F1)', (_kind, input) => {
    expect(loadConfig(schema, input, { source })).toEqual({ name: 'a', resync: 60_000, ports: [80], dns: { zone: 'x' } })
  })

  test.each([['nothing', undefined], ['an empty file', ''], ['only comments', '# all defaults\n'], ['{}', '{}']])('%s means all defaults (F1)', (_kind, input) => {
    expect(loadConfig(schema, input, { source })).toEqual({ name: 'node', resync: 30_000, ports: [], dns: { zone: 'cluster.local' } })
  })

  test('names all problems at once, each with its path (F2)', () => {
    const text = 'name: 7\nresync: soon\nports: [80, 99999, x]\ndns: { zone: x, zoen: y }\ncolour: red\nsize: 1'
    expect(problemsOf(text)).toEqual([
      'name: Invalid input: expected string, received number',
      'resync: Cannot parse duration "soon": wanted numbers with units ms, s, m or h, e.g. 1m30s',
      'ports[1]: Too big: expected number to be <=65535',
      'ports[2]: Invalid input: expected number, received string',
      'dns.zoen: unknown key',
      'colour: unknown key',
      'size: unknown key',
    ])
  })

  test('the message is one line with the source and every problem (F2)', () => {
    expect(() => loadConfig(schema, { nam: 1, size: 2 }, { source })).toThrow('Cannot use configuration "/etc/weft/agent.yaml": nam: unknown key; size: unknown key')
  })

  test('says which choices there were (F2)', () => {
    const choice = z.strictObject({ listen: z.union([z.string(), z.strictObject({ port: z.number() })]) })
    expect(problemsOf({ listen: 5 }, choice)).toEqual(['listen: Invalid input: expected string, received number, or listen: Invalid input: expected object, received number'])
  })

  test.each([
    ['bad YAML, with its place', 'name: [a\n', /at line \d+, column \d+$/],
    ['a key given twice', 'name: a\nname: b\n', /^Map keys must be unique at line 2, column 1$/],
    ['two documents', 'name: a\n---\nname: b\n', /multiple documents/],
    ['a list', '- a', /expected object, received array/],
    ['a word', 'hello', /expected object, received string/],
    ['aliases that multiply', `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]`, /alias/],
  ])('refuses %s (F3)', (_kind, text, problem) => {
    expect(problemsOf(text)[0]).toMatch(problem)
  })

  test('a key named __proto__ is unknown like any other (F3)', () => {
    expect(problemsOf('{"__proto__": {"name": "x"}}')).toEqual(['__proto__: unknown key'])
  })

  test('the result is frozen to its depths (F4)', () => {
    const config = loadConfig(schema, undefined, { source })
    expect([config, config.ports, config.dns].every((part) => Object.isFrozen(part))).toBe(true)
  })

  test('bytes in a configuration stay as they are (F4)', () => {
    const bytes = z.strictObject({ key: z.string().transform((text) => Buffer.from(text, 'base64')) })
    expect(loadConfig(bytes, { key: 'AQI=' }, { source }).key).toEqual(Buffer.of(1, 2))
  })

  test('refuses a schema that would drop unknown keys in silence (F2)', () => {
    const hidden = z.strictObject({ a: z.array(z.union([z.string(), z.strictObject({ b: z.object({ c: z.string() }).optional() })])).default([]) })
    expect(() => loadConfig(hidden, {}, { source })).toThrow('Cannot use schema of "/etc/weft/agent.yaml": a[].b drops unknown keys, wanted strictObject')
    expect(() => loadConfig(z.object({}), {}, { source })).toThrow('(root) drops unknown keys')
    expect(loadConfig(z.looseObject({}), { x: 1 }, { source })).toEqual({ x: 1 })
  })
})
