/** One test as a JUnit report of Ginkgo tells it. */
export interface JunitCase {
  readonly name: string
  readonly status: 'passed' | 'failed' | 'skipped'
  readonly seconds: number
  /** First line of why it failed; empty otherwise. */
  readonly reason: string
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** Reads the tests of a report that were in focus: Ginkgo lists all others as skipped in no time. */
export function readJunit(xml: string): readonly JunitCase[] {
  return [...xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].flatMap(([, attributes, body = '']) => {
    const attribute = (name: string): string => unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes!)?.[1] ?? '')
    const [name, status, seconds] = [attribute('name'), attribute('status'), Number(attribute('time'))]
    if (!name.startsWith('[It]') || (status === 'skipped' && seconds === 0)) return []
    const failure = /<(?:failure|error)\b[^>]*?message="([^"]*)"/.exec(body)?.[1]
    return [{ name: name.slice(5), status: status === 'passed' ? 'passed' : status === 'skipped' ? 'skipped' : 'failed', seconds, reason: failure === undefined ? '' : unescape(failure).split('\n')[0]! }]
  })
}

function unescape(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal?: string, hex?: string, name?: string) =>
    decimal !== undefined ? String.fromCodePoint(Number(decimal)) : hex !== undefined ? String.fromCodePoint(Number.parseInt(hex, 16)) : entities[name!] ?? whole)
}
