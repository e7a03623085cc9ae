import type { PolicyMatrix } from '@weft/api'
import { describe, expect, test } from 'vitest'
import { drawMatrix } from './draw-matrix.ts'
import { formatMatrix } from './format-matrix.ts'

const matrix: PolicyMatrix = { traffic: 'TCP 80', family: 4, pods: ['ops/far', 'shop/db', 'shop/web'], reach: [['open', 'ingress', 'open'], ['open', 'open', 'open'], ['egress', 'both', 'open']] }

describe('formatMatrix()', () => {
  test('rows send, columns receive', () => {
    expect(formatMatrix(matrix)).toBe(`   TCP 80, IPv4  1  2  3
1  ops/far       .  i  .
2  shop/db       .  .  .
3  shop/web      e  x  .

. open, e closed by the sender's egress, i closed by the receiver's ingress, x closed by both
6 of 9 ways are open
`)
  })

  test('says that there is nobody', () => {
    expect(formatMatrix({ ...matrix, pods: [], reach: [] })).toBe('no pods with an IPv4 address that policies protect\n')
  })
})

describe('drawMatrix()', () => {
  test('has a square for each pair, with words for who points at it', () => {
    const svg = drawMatrix(matrix)
    expect(svg.match(/<title>/g)).toHaveLength(9)
    expect(svg).toContain('<title>shop/web to shop/db: closed by both</title>')
    expect(svg.match(/<path /g)).toHaveLength(1)
  })

  test('names are text, whatever is in them', () => {
    expect(drawMatrix({ ...matrix, traffic: '<script>&"' })).toContain('&lt;script&gt;&amp;&quot;')
  })
})
