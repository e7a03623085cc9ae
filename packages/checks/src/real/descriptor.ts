import { readFile } from 'node:fs/promises'
import { describeKind } from './kind.ts'

/** Words that stand before a command, so that it runs somewhere else; none: here. */
type Prefix = readonly string[]

/** A running cluster as whoever made it describes it: how to reach it, and what to do with its machines. */
export interface ClusterDescriptor {
  /** Path of a kubeconfig of an administrator. */
  readonly kubeconfig: string
  /** Runs a program where the API server and the nodes can be reached. */
  readonly enter: Prefix
  /** By name of the node: runs a program in all namespaces of the machine. */
  readonly nodes: Readonly<Record<string, { readonly exec: Prefix }>>
  /** A machine that is no part of the cluster and can reach its nodes. */
  readonly outside?: { readonly exec: Prefix } | undefined
  /** Takes image archives and loads them on every node. */
  readonly load?: Prefix | undefined
  /** Takes `add`, `reboot` or `remove` and the name of a node. */
  readonly node?: Prefix | undefined
}

/**
 * Reads the description of a cluster.
 *
 * @throws {SyntaxError} Naming the field that is missing or of another shape.
 */
export function parseDescriptor(text: string): ClusterDescriptor {
  const value: unknown = JSON.parse(text)
  if (!isRecord(value)) throw wrong('', 'is no object')
  const { kubeconfig, enter, nodes, outside, load, node } = value
  if (typeof kubeconfig !== 'string') throw wrong('kubeconfig', 'is no path')
  if (!isRecord(nodes)) throw wrong('nodes', 'is no object')
  return {
    kubeconfig,
    enter: prefixOf('enter', enter ?? []),
    nodes: Object.fromEntries(Object.entries(nodes).map(([name, entry]) => [name, execOf(`nodes.${name}`, entry)])),
    ...(outside === undefined ? {} : { outside: execOf('outside', outside) }),
    ...(load === undefined ? {} : { load: prefixOf('load', load) }),
    ...(node === undefined ? {} : { node: prefixOf('node', node) }),
  }
}

/**
 * Reads a description from a file, or finds out about a cluster of kind by its name.
 *
 * @param path A file, or `kind:NAME`.
 * @throws {SyntaxError} Naming the file and what is wrong in it.
 */
export async function readDescriptor(path: string): Promise<ClusterDescriptor> {
  if (path.startsWith('kind:')) return await describeKind(path.slice('kind:'.length))
  try {
    return parseDescriptor(await readFile(path, 'utf8'))
  } catch (error) {
    throw new SyntaxError(`Cannot read cluster "${path}": ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function execOf(field: string, value: unknown): { readonly exec: Prefix } {
  if (!isRecord(value)) throw wrong(field, 'is no object')
  return { exec: prefixOf(`${field}.exec`, value['exec']) }
}

function prefixOf(field: string, value: unknown): Prefix {
  if (!Array.isArray(value) || value.some((word) => typeof word !== 'string')) throw wrong(field, 'is no list of words')
  return value as string[]
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(field: string, what: string): SyntaxError {
  return new SyntaxError(`Cannot use cluster description: ${field === '' ? 'it' : `"${field}"`} ${what}`)
}
