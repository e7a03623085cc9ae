import type { ResultDns } from '@weft/plugin'

/** What `resolv.conf(5)` says, as far as a CNI result has words for it; of `domain` and `search` lines the last counts. */
export function parseResolvConf(text: string): ResultDns {
  const nameservers: string[] = []
  const options: string[] = []
  let [domain, search]: [string | undefined, readonly string[]] = [undefined, []]
  for (const line of text.split('\n')) {
    const [word, ...values] = line.trim().split(/\s+/)
    if (word === 'nameserver') nameservers.push(...values.slice(0, 1))
    if (word === 'domain') domain = values[0]
    if (word === 'search') search = values
    if (word === 'options') options.push(...values)
  }
  return { nameservers, ...domain === undefined ? {} : { domain }, search, options }
}
