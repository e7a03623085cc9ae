import type { AdminAnswers, PolicyCalls, PolicyExplanation, PolicyMatrix } from '@weft/api'
import type { MatrixQuestion } from './matrix.ts'
import { type PolicyQuestion, readFamily, readQuestion, readTraffic } from './question.ts'

/** What the calls ask. */
export interface ExplainingPolicy {
  dump(): string
  explain(question: PolicyQuestion): PolicyExplanation
  matrix(question: MatrixQuestion): PolicyMatrix
}

/** What policies answer on an admin socket. What cannot be read is a SyntaxError, whose message says what is wanted. */
export function policyAnswers(policy: ExplainingPolicy): AdminAnswers<PolicyCalls> {
  return {
    dumpPolicy: () => policy.dump(),
    explainPolicy: (question) => policy.explain(readQuestion(question)),
    policyMatrix: ({ namespaces = '', ...traffic }) => policy.matrix({ ...readTraffic(traffic), family: readFamily(traffic), namespaces: namespaces.split(',').filter((name) => name !== '') }),
  }
}
