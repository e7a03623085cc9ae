import type { PolicyExplanation, PolicyMatrix } from '@weft/api'
import type { MatrixQuestion } from './matrix.ts'
import { type PolicyQuestion, readFamily, readQuestion, readTraffic } from './question.ts'

/** What the routes ask. */
export interface PolicyAnswers {
  explain(question: PolicyQuestion): PolicyExplanation
  matrix(question: MatrixQuestion): PolicyMatrix
}

/**
 * Answers questions on an admin socket, as JSON: `policy` `?from=shop/web&to=10.0.0.7&protocol=TCP&port=80&family=4`, and
 * `policy-matrix` `?port=80&namespaces=shop,web`. What cannot be read is a SyntaxError, whose message says what is wanted.
 */
export function explainRoutes(policy: PolicyAnswers): Readonly<Record<'policy' | 'policy-matrix', (url: URL) => PolicyExplanation | PolicyMatrix>> {
  return {
    'policy': ({ searchParams }) => policy.explain(readQuestion(searchParams)),
    'policy-matrix': ({ searchParams }) => policy.matrix({
      ...readTraffic(searchParams), family: readFamily(searchParams), namespaces: (searchParams.get('namespaces') ?? '').split(',').filter((name) => name !== ''),
    }),
  }
}
