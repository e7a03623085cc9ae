import type { AdminCall, AdminCalls } from './admin-call.ts'

/** What answers each call. A SyntaxError or a RangeError says what is wrong with the question. */
export type AdminAnswers<Calls extends AdminCalls> = {
  readonly [Name in keyof Calls]: Calls[Name] extends AdminCall<infer Question, infer Answer> ? (question: Question) => Answer | Promise<Answer> : never
}

/** A path of an admin server: `body` is undefined for GET. */
type Route = (url: URL, body?: unknown) => unknown

/**
 * The paths of an admin server that answers these calls.
 *
 * Its routes throw a SyntaxError when a parameter is unknown or given twice, and a RangeError when a path is asked by another method.
 */
export function adminRoutes<Calls extends AdminCalls>(calls: Calls, answers: AdminAnswers<Calls>): Readonly<Record<string, Route>> {
  const byPath = Map.groupBy(Object.keys(calls), (name) => calls[name]!.path)
  return Object.fromEntries([...byPath].map(([path, names]): [string, Route] => [path, (url, body) => {
    const method = body === undefined ? 'GET' : 'POST'
    const name = names.find((each) => calls[each]!.method === method)
    if (name === undefined) throw new RangeError(`Cannot ${method} "${path}": wanted ${calls[names[0]!]!.method}`)
    return answers[name]!(readQuestion(calls[name]!, url))
  }]))
}

function readQuestion({ path, question }: AdminCalls[string], { searchParams }: URL): never {
  const names = [...searchParams.keys()]
  const twice = names.find((name, place) => names.indexOf(name) !== place)
  if (twice !== undefined) throw new SyntaxError(`Cannot ask "${path}": parameter "${twice}" is given twice`)
  const read = question.safeParse(Object.fromEntries(searchParams))
  if (read.success) return read.data as never
  throw new SyntaxError(`Cannot ask "${path}": ${read.error.issues.map(({ path: [name], message, ...rest }) => ('keys' in rest ? `parameter "${String(rest.keys[0])}" is unknown` : `parameter "${String(name)}": ${message}`)).join('; ')}`)
}
