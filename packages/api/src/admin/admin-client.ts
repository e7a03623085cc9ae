import type { AdminCall, AdminCalls, AdminQuestion } from './admin-call.ts'
import { InvalidAnswerError } from './invalid-answer.ts'

/**
 * The way to one program's admin socket: a unix socket on its machine, `kubectl exec`, a sandbox's control socket.
 *
 * @returns The body of a 2xx answer. Anything else is thrown, with the program's own sentence.
 */
export type AdminDoor = (request: AdminRequest, options: { readonly signal?: AbortSignal | undefined }) => Promise<string>

export interface AdminRequest {
  readonly method: 'GET' | 'POST'
  /** With the question in it, e.g. `/explain/proxy?to=10.96.0.1%3A80`. */
  readonly path: string
}

/** A method for each call. */
export type AdminClient<Calls extends AdminCalls> = {
  readonly [Name in keyof Calls]: Calls[Name] extends AdminCall<infer Question, infer Answer>
    ? (question: Question, options?: { readonly signal?: AbortSignal | undefined }) => Promise<Answer>
    : never
}

/**
 * A client for the calls of a program, e.g. `adminClient(agentCalls, door).status({})`.
 *
 * Its methods throw {@link InvalidAnswerError} when what comes back is not what the contract says, and what the door throws.
 */
export function adminClient<Calls extends AdminCalls>(calls: Calls, door: AdminDoor): AdminClient<Calls> {
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, async (question: AdminQuestion, { signal }: { readonly signal?: AbortSignal | undefined } = {}) => readAnswer(call, await door(requestOf(call, question), { signal }))])) as unknown as AdminClient<Calls>
}

function requestOf({ method, path }: Pick<AdminCalls[string], 'method' | 'path'>, question: AdminQuestion): AdminRequest {
  const query = new URLSearchParams(Object.entries(question).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))).toString()
  return { method, path: query === '' ? path : `${path}?${query}` }
}

function readAnswer({ path, answer }: AdminCalls[string], text: string): unknown {
  if (answer === undefined) return text
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new InvalidAnswerError({ path, field: '', problem: 'it is no JSON' }, { cause })
  }
  const read = answer.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new InvalidAnswerError({ path, field: issue?.path.join('.') ?? '', problem: issue?.message ?? 'it is of another shape' })
}
