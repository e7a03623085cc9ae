import { readdir, readFile } from 'node:fs/promises'
import { manifestSource } from '../program-files.ts'

/** Any object of `deploy/`. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string, readonly namespace?: string, readonly labels?: Readonly<Record<string, string>> }
  readonly [field: string]: unknown
}

/** What of `deploy/` is applied to a sandbox too, in that order. Programs and their Services are the sandbox's own affair. */
const applied: readonly string[] = ['crds', 'rbac.yaml', 'admission.yaml']

/** The manifests of `deploy/` that a sandbox starts with. */
export async function readManifests(): Promise<readonly Manifest[]> {
  if (manifestSource.pathname.endsWith('.json')) return JSON.parse(await readFile(manifestSource, 'utf8')) as Manifest[]
  // Loading it takes as long as starting the API server; what is built has JSON.
  const { parseAllDocuments } = await import('yaml')
  const files = await Promise.all(applied.map(async (name) => name.endsWith('.yaml') ? [name] : (await readdir(new URL(name, manifestSource))).toSorted().map((file) => `${name}/${file}`)))
  const texts = await Promise.all(files.flat().map((file) => readFile(new URL(file, manifestSource), 'utf8')))
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Manifest))
}
