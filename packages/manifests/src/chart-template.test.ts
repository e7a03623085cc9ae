import { expect, test } from 'vitest'
import { ChartTemplate } from './chart-template.ts'

test('finish() puts an expression where its word stands, quoted or not', () => {
  const template = new ChartTemplate()
  const [tag, list] = [template.word('.Values.tag'), template.word('.Values.list')]
  expect(template.finish(`tag: ${tag}\nquoted: "${list}"\nother: HELM\n`)).toBe('tag: {{ .Values.tag | toJson }}\nquoted: {{ .Values.list | toJson }}\nother: HELM\n')
})

test('expression() is what Helm builds the value from, words inside strings too', () => {
  const template = new ChartTemplate()
  const address = template.word('.Values.address')
  expect(template.expression({ a: ['x', 1, true], b: address, c: `${address}:9154` })).toBe('(dict "a" (list "x" 1 true) "b" (.Values.address) "c" (printf "%s:9154" (.Values.address)))')
})
