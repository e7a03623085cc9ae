import { protocolNumbers } from '@weft/api'
import { formatIp } from '@weft/ip'
import type { SetDeclaration, SetElement } from '@weft/nftables'
import type { DnsPeer } from './model.ts'
import { dnsSetName, families } from './names.ts'
import type { TableDraft } from './table-draft.ts'
import { sets, socketSet } from './table.ts'

interface Content {
  readonly declaration: SetDeclaration
  readonly elements: ReadonlyMap<string, SetElement>
}

/** Sets of the addresses and servers of the DNS Service. A server that moves is one element a port. */
export class DnsSets {
  readonly #draft: TableDraft
  #content: ReadonlyMap<string, Content> = new Map()

  constructor(draft: TableDraft) {
    this.#draft = draft
  }

  /** Puts what is new; what is gone stays until {@link DnsSets.drop}, for rules may still look it up. */
  put(dns: DnsPeer | undefined): { drop(): void } {
    const [before, wanted] = [this.#content, contentOf(dns)]
    this.#content = wanted
    for (const [name, { declaration, elements }] of wanted) {
      this.#draft.putSet(declaration)
      for (const [id, element] of elements) this.#draft.putElement(name, id, element)
    }
    return {
      drop: () => {
        for (const [name, { elements }] of before) {
          const now = wanted.get(name)?.elements
          for (const id of elements.keys()) if (now?.has(id) !== true) this.#draft.dropElement(name, id)
          if (now === undefined && !isFixed(name)) this.#draft.dropSet(name)
        }
      },
    }
  }
}

function isFixed(name: string): boolean {
  return families.some((family) => sets[family].dnsVip.name === name)
}

function contentOf(dns: DnsPeer | undefined): ReadonlyMap<string, Content> {
  const found = new Map<string, Content>()
  for (const family of families) {
    const vips = (dns?.vips ?? []).filter((ip) => ip.family === family)
    found.set(sets[family].dnsVip.name, { declaration: sets[family].dnsVip, elements: new Map(vips.map((ip) => [formatIp(ip), { key: [ip] }])) })
    for (const { protocol, port, endpoints } of dns?.ports ?? []) {
      const own = endpoints.filter(({ ip }) => ip.family === family)
      const name = dnsSetName(family, protocol, port)
      const elements = new Map(own.map((endpoint) => [`${formatIp(endpoint.ip)} ${endpoint.port}`, { key: [endpoint.ip, protocolNumbers[protocol], endpoint.port] }]))
      found.set(name, { declaration: socketSet(name, family, `cluster DNS, ${protocol} ${port}`), elements })
    }
  }
  return found
}
