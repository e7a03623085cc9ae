import { expect, test } from 'vitest'
import { metricEntries, metricsPage } from '../scripts/metrics-page.ts'
import { filesOf, packages, read } from '../scripts/workspace.ts'

const entries = await metricEntries()
const features = [...packages, 'reconcile']

test('docs/reference/metrics.md is what the registries say (pnpm generate)', async () => {
  expect(read('docs/reference/metrics.md')).toBe(await metricsPage())
})

test('every metric is named weft_<feature>_<noun>_<unit>, a counter ends in _total; those that kube-proxy has are named as there', () => {
  const wrong = entries.filter(({ name, package: owner }) => !(owner === 'proxy' && name.startsWith('kubeproxy_'))).filter(({ name, type }) => {
    const feature = /^weft_([a-z]+)(_[a-z0-9]+)+$/.exec(name)?.[1]
    if (feature === undefined || !features.includes(feature)) return true
    if (name.endsWith('_total') !== (type === 'counter')) return true
    // `_sum`, `_count` and `_bucket` belong to what a histogram prints; times are seconds, sizes bytes.
    return /_(sum|count|bucket|ms|milliseconds|microseconds|kilobytes)$/.test(name) || (type === 'histogram' && !/_(seconds|bytes|ratio)$/.test(name))
  })
  expect(wrong).toEqual([])
})

test('every metric says in a sentence what it tells', () => {
  expect(entries.filter(({ help }) => !/^[A-Z].+ .+\.$/.test(help)).map(({ name, help }) => `${name}: ${help}`)).toEqual([])
})

test('every metric belongs to one package and is made in its metrics file', () => {
  const known = new Set(entries.map(({ name }) => name))
  expect(known.size).toBe(entries.length)
  const elsewhere = filesOf('packages/*/src/**/*.ts')
    .filter((file) => !/\.test\.ts$|\/testing\//.test(file))
    .flatMap((file) => [...read(file).matchAll(/'(weft_[a-z]+_[a-z0-9_]+)'/g)].map(([, name]) => ({ file, name: name! })))
    .filter(({ file, name }) => !known.has(name) || !file.endsWith('metrics.ts'))
  expect(elsewhere).toEqual([])
})

test('the README of its package names every metric', () => {
  const missing = entries.filter(({ package: owner, name }) => !read(`packages/${owner}/README.md`).includes(`\`${name}\``)).map(({ package: owner, name }) => `packages/${owner}/README.md: ${name}`)
  expect(missing).toEqual([])
})

test('a README names no metric that there is not', () => {
  const known = new Set(entries.map(({ name }) => name))
  const wrong = filesOf('packages/*/README.md', 'docs/**/*.md', '*.md').flatMap((file) => [...read(file).matchAll(/`(weft_[a-z]+_[a-z0-9_]+)`/g)].filter(([, name]) => !known.has(name!)).map(([, name]) => `${file}: ${name}`))
  expect(wrong).toEqual([])
})
