import { parseNodeName, type PolicyExplanation } from '@weft/api'
import { describe, expect, test } from 'vitest'
import { differs, formatExplanation } from './format-explanation.ts'

const told: PolicyExplanation = {
  teller: parseNodeName('n1'), allowed: false, traffic: 'TCP 80',
  from: { ip: '10.244.1.2', words: 'pod shop/web', node: parseNodeName('n1') },
  to: { ip: '203.0.113.9', words: '203.0.113.9, no pod and no node', node: undefined },
  sides: [
    { direction: 'egress', allowed: false, words: 'closed: NetworkPolicy shop/out select it, and no rule of theirs matches', rules: [
      { rule: 'NetworkPolicy shop/out egress[0]', words: 'Accept to 10.0.0.0/8', outcome: 'other peer' },
      { rule: 'NetworkPolicy shop/out egress[10]', words: 'Accept to anybody at TCP 443', outcome: 'other port' },
    ] },
    { direction: 'ingress', allowed: true, words: 'open: the destination is no pod that policies protect', rules: [] },
  ],
  kernel: {
    allowed: true, wanted: false, strange: ['chain egress, rule with handle 9'],
    lines: [{ chain: 'egress', rule: 'ct state related accept', ran: false }, { chain: 'egress', rule: 'ip saddr vmap @egress4', ran: false }],
  },
}

describe('formatExplanation()', () => {
  test('the model first, then each kernel, and what differs', () => {
    expect(formatExplanation([told])).toBe(`pod shop/web (10.244.1.2 on n1) to 203.0.113.9, no pod and no node, TCP 80: closed

by the policies of the API
  egress   closed: NetworkPolicy shop/out select it, and no rule of theirs matches
             other peer  NetworkPolicy shop/out egress[0]   Accept to 10.0.0.0/8
             other port  NetworkPolicy shop/out egress[10]  Accept to anybody at TCP 443
  ingress  open: the destination is no pod that policies protect

by the kernel of n1: open, which is NOT what the policies say of the pods there: closed
  chain egress
    - ct state related accept
    - ip saddr vmap @egress4
  not a rule of Weft, and not followed here: chain egress, rule with handle 9
`)
    expect(differs(told)).toBe(true)
  })

  test('both nodes, as they are asked; a kernel that has no say is left out', () => {
    const far: PolicyExplanation = { ...told, teller: parseNodeName('n2'), kernel: { allowed: false, wanted: false, strange: [], lines: [] } }
    const text = formatExplanation([{ ...told, kernel: undefined }, far])
    expect(text).toContain('by the kernel of n2: closed, as the policies say of the pods there')
    expect(text).not.toContain('kernel of n1')
    expect(formatExplanation([{ ...told, kernel: undefined }])).toContain('no kernel of this cluster filters either end, or has no table yet (asked: n1)')
    expect([far, { ...told, kernel: undefined }].some(differs)).toBe(false)
  })
})
