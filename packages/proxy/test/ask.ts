// Asks echo servers, one connection or one socket per question, and prints the answers as JSON: text, or the code of the error. Argument: JSON of Question, or of a list of them, which are asked at once.
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'

export interface Question {
  readonly protocol: 'tcp' | 'udp'
  readonly host: string
  readonly port: number
  readonly count?: number | undefined
  readonly sourcePort?: number | undefined
  /** After that it is answered by nobody. A packet that is lost stays so for UDP, however long; TCP sends anew after a second. @default 700 */
  readonly timeoutMs?: number | undefined
}

function askTcp({ host, port, timeoutMs = 700 }: Question): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect({ host, port, timeout: timeoutMs })
    socket.on('data', (chunk) => { answer += chunk.toString() })
    socket.on('end', () => resolve(answer))
    socket.on('timeout', () => {
      socket.destroy()
      resolve('ETIMEDOUT')
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
  })
}

/** A connected socket: it takes answers only from where it asked, and hears of refusals. */
function askUdp({ host, port, sourcePort, timeoutMs = 700 }: Question): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const done = (answer: string): void => {
      clearTimeout(timer)
      socket.close(() => resolve(answer))
    }
    const timer = setTimeout(() => done('ETIMEDOUT'), timeoutMs)
    socket.once('message', (message) => done(message.toString()))
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'))
    socket.bind(sourcePort ?? 0, () => socket.connect(port, host, () => socket.send('?')))
  })
}

async function answersTo(question: Question): Promise<readonly string[]> {
  const answers: string[] = []
  for (let index = 0; index < (question.count ?? 1); index += 1) answers.push(await (question.protocol === 'tcp' ? askTcp(question) : askUdp(question)))
  return answers
}

const asked = JSON.parse(process.argv[2]!) as Question | readonly Question[]
process.stdout.write(JSON.stringify('host' in asked ? await answersTo(asked) : await Promise.all(asked.map(answersTo))))
