import { classes, headerBytes } from '../wire/codes.ts'
import { type Message, readMessage } from '../wire/message.ts'
import { type Name, writeName } from '../wire/name.ts'
import type { Answer } from './answer.ts'

/** The records of an answer: puts the question back in front of its bytes and reads the whole. */
export function readAnswer(answer: Answer, question: Name, type: number): Message {
  const out = Buffer.alloc(headerBytes + question.length + 4 + answer.bytes.length)
  out.writeUInt16BE(1, 4)
  out.writeUInt16BE(answer.answers, 6)
  out.writeUInt16BE(answer.authorities, 8)
  out.writeUInt16BE(answer.additionals, 10)
  let at = writeName(question, out, { offset: headerBytes })
  at = out.writeUInt16BE(type, at)
  at = out.writeUInt16BE(classes.IN, at)
  out.set(answer.bytes, at)
  return readMessage(out)
}
