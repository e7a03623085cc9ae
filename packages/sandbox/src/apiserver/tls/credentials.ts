import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority, makeServerCertificate, type KeyPair } from './certificate.ts'

/** Who a bearer token stands for. */
export interface User {
  readonly name: string
  readonly groups: readonly string[]
  /** What else is known, e.g. the node of the pod that a token was given to. */
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined
}

/** The claim of a ServiceAccount's token that names the node of its pod. */
export const nodeNameClaim = 'authentication.kubernetes.io/node-name'

/** A ServiceAccount as a user. @param node Of the pod that the token is for. */
export function serviceAccountUser(namespace: string, name: string, node?: string): User {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
  return { name: `system:serviceaccount:${namespace}:${name}`, groups, ...(node === undefined ? {} : { extra: { [nodeNameClaim]: [node] } }) }
}

interface Kept {
  readonly authority: KeyPair
  readonly server: KeyPair
  readonly names: readonly string[]
  readonly tokens: Record<string, User>
}

const ADMIN: User = { name: 'admin', groups: ['system:masters', 'system:authenticated'] }

/** The server's keys and the tokens it takes, kept in one file of the state folder that only its owner can read. */
export class Credentials {
  readonly #path: string
  #kept: Kept

  private constructor(path: string, kept: Kept) {
    this.#path = path
    this.#kept = kept
  }

  /**
   * Reads the credentials of a state folder, or makes them. The authority stays the same for ever, so kubeconfigs stay good;
   * the server certificate is made anew when it lacks a name.
   *
   * @param options.names DNS names and addresses the server answers on.
   */
  static open(folder: string, options: { names: readonly string[], now: Date }): Credentials {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const path = join(folder, 'credentials.json')
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this class wrote it
    const kept = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Kept) : undefined
    const valid = kept !== undefined && new Date(new X509Certificate(kept.server.certificate).validTo) > options.now
    if (valid && options.names.every(name => kept.names.includes(name))) return new Credentials(path, kept)
    const authority = kept?.authority ?? makeAuthority('weft-sandbox-ca', options.now)
    const names = [...new Set([...options.names, ...(kept?.names ?? [])])]
    const server = makeServerCertificate({ ...authority, privateKey: createPrivateKey(authority.key) }, names, options.now)
    const credentials = new Credentials(path, { authority, server, names, tokens: kept?.tokens ?? { [newToken()]: ADMIN } })
    credentials.#write()
    return credentials
  }

  /** The authority's certificate, PEM. */
  get ca(): string {
    return this.#kept.authority.certificate
  }

  /** Key and certificate for the listeners. */
  get server(): KeyPair {
    return this.#kept.server
  }

  /** The token that may do everything. */
  get adminToken(): string {
    return this.tokenOf(ADMIN)
  }

  /** The token of a user, made at the first request and the same ever after. */
  tokenOf(user: User): string {
    for (const [token, known] of Object.entries(this.#kept.tokens)) if (known.name === user.name && JSON.stringify(known.extra) === JSON.stringify(user.extra)) return token
    const token = newToken()
    this.#kept.tokens[token] = user
    this.#write()
    return token
  }

  /** Who sends this token; undefined when nobody was given it. */
  userOf(token: string): User | undefined {
    return Object.hasOwn(this.#kept.tokens, token) ? this.#kept.tokens[token] : undefined
  }

  #write(): void {
    const temporary = `${this.#path}.new`
    writeFileSync(temporary, JSON.stringify(this.#kept), { mode: 0o600 })
    chmodSync(temporary, 0o600)
    renameSync(temporary, this.#path)
  }
}

function newToken(): string {
  return randomBytes(24).toString('base64url')
}
