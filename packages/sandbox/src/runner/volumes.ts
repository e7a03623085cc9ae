import { chmodSync, existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Mount } from './fstab.ts'
import { downwardField, type EnvironmentSources, MissingReference } from './pod-environment.ts'
import type { Container, DownwardItem, KeyToPath, ProjectedSource, Volume } from './pod-object.ts'
import { mountPointIn } from './rootfs.ts'

export interface VolumeSources extends EnvironmentSources {
  /** Tokens that projected volumes ask for, by audience (empty for the API server). */
  readonly token: string
}

/**
 * Writes the content of a pod's volumes below a folder, once per pod; later changes of a ConfigMap are not followed.
 *
 * @returns Source path by volume name.
 * @throws {MissingReference} When something a volume needs does not exist.
 */
export function layVolumes(folder: string, volumes: readonly Volume[], sources: VolumeSources): ReadonlyMap<string, string> {
  return new Map(volumes.map((volume) => [volume.name, layVolume(`${folder}/${volume.name}`, volume, sources)]))
}

function layVolume(path: string, volume: Volume, sources: VolumeSources): string {
  if (volume.hostPath !== undefined) {
    if (!existsSync(volume.hostPath.path)) throw new MissingReference(`volume "${volume.name}": ${volume.hostPath.path} is not on this machine`)
    return volume.hostPath.path
  }
  mkdirSync(path, { recursive: true })
  if (volume.configMap !== undefined) layData(path, { kind: 'configmaps', ...volume.configMap }, sources)
  else if (volume.secret !== undefined) layData(path, { kind: 'secrets', ...volume.secret, name: volume.secret.secretName }, sources)
  else if (volume.downwardAPI !== undefined) layDownward(path, volume.downwardAPI.items ?? [], sources)
  else if (volume.projected !== undefined) for (const source of volume.projected.sources ?? []) layProjected(path, source, sources)
  else if (volume.emptyDir !== undefined) chmodSync(path, 0o777)
  else throw new MissingReference(`volume "${volume.name}" is of a kind the sandbox does not have`)
  return path
}

function layProjected(path: string, { configMap, secret, downwardAPI, serviceAccountToken }: ProjectedSource, sources: VolumeSources): void {
  if (configMap !== undefined) layData(path, { kind: 'configmaps', ...configMap }, sources)
  if (secret !== undefined) layData(path, { kind: 'secrets', ...secret }, sources)
  if (downwardAPI !== undefined) layDownward(path, downwardAPI.items ?? [], sources)
  if (serviceAccountToken !== undefined) writeInto(path, serviceAccountToken.path, sources.token)
}

interface DataReference {
  readonly kind: 'configmaps' | 'secrets'
  readonly name: string
  readonly optional?: boolean | undefined
  readonly items?: readonly KeyToPath[] | undefined
}

function layData(path: string, { kind, name, optional, items }: DataReference, sources: VolumeSources): void {
  const data = sources.data(kind, name)
  if (data === undefined) {
    if (optional === true) return
    throw new MissingReference(`${kind} "${name}" not found`)
  }
  for (const { key, path: file } of items ?? Object.keys(data).map((key) => ({ key, path: key }))) {
    if (data[key] !== undefined) writeInto(path, file, data[key])
    else if (optional !== true) throw new MissingReference(`key "${key}" of ${kind} "${name}" not found`)
  }
}

function layDownward(path: string, items: readonly DownwardItem[], sources: EnvironmentSources): void {
  for (const { path: file, fieldRef } of items) writeInto(path, file, fieldRef === undefined ? '' : downwardField(fieldRef.fieldPath, sources) ?? '')
}

function writeInto(folder: string, file: string, text: string): void {
  const path = join(folder, join('/', file))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** The mounts of a container's volumeMounts, outer paths first. */
export function volumeMounts(container: Container, volumes: ReadonlyMap<string, string>, place: { readonly root: string, readonly folder: string }): Mount[] {
  const mounts = [...(container.volumeMounts ?? [])].sort((a, b) => a.mountPath.length - b.mountPath.length)
  return mounts.map(({ name, mountPath, subPath, readOnly }) => {
    const volume = volumes.get(name)
    if (volume === undefined) throw new MissingReference(`volume "${name}" of container "${container.name}" is not in the pod`)
    const source = subPath === undefined || subPath === '' ? volume : join(volume, join('/', subPath))
    if (!existsSync(source)) mkdirSync(source, { recursive: true })
    const file = !statSync(source).isDirectory()
    return { source: realpathSync(source), target: mountPointIn(place.root, mountPath, { folder: place.folder, file }), options: readOnly === true ? 'rbind,ro' : 'rbind' }
  })
}

/** Copies the service account's files to where every client library looks. */
export function layServiceAccount(folder: string, files: { readonly token: string, readonly caCertificate: string, readonly namespace: string }): void {
  const path = `${folder}/run/secrets/kubernetes.io/serviceaccount`
  mkdirSync(path, { recursive: true })
  writeFileSync(`${path}/token`, files.token)
  writeFileSync(`${path}/ca.crt`, files.caCertificate)
  writeFileSync(`${path}/namespace`, files.namespace)
}
