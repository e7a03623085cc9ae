import { z } from 'zod'

/**
 * Something that a program of ours answers on its admin socket (HTTP). Both sides take path, question and answer from here: the
 * server through `adminRoutes`, whoever asks through `adminClient`.
 */
export interface AdminCall<Question extends AdminQuestion, Answer> {
  /** `POST` changes something, and has no parameters but those of the URL. */
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Names of the URL's parameters, each with what it says. */
  readonly question: z.ZodType<Question>
  /** Shape of the JSON that comes; undefined when text does. */
  readonly answer: z.ZodType<Answer> | undefined
}

/** Parameters of a URL. What they mean is read by whoever answers. */
export type AdminQuestion = Readonly<Record<string, string | undefined>>

/** No parameters. */
export type NoQuestion = Readonly<Record<string, never>>

/** The calls that a program answers, by the name of the client's method. */
// Any call is one of some question and answer.
// oxlint-disable-next-line typescript/no-explicit-any
export type AdminCalls = Readonly<Record<string, AdminCall<any, any>>>

const noQuestion: z.ZodType<NoQuestion> = z.strictObject({})

/** A call that is answered with text for people: a dump, a list. */
export function textCall(method: 'GET' | 'POST', path: string): AdminCall<NoQuestion, string> {
  return { method, path, question: noQuestion, answer: undefined }
}

/** A call without parameters that is answered with JSON. */
export function jsonCall<Answer>(path: string, answer: z.ZodType<Answer>): AdminCall<NoQuestion, Answer> {
  return { method: 'GET', path, question: noQuestion, answer }
}
