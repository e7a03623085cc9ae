import { CniError } from './cni-error.ts'

/** Versions of the CNI protocol this plugin speaks, oldest first. */
export const cniVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof cniVersions)[number]

/** @throws {CniError} Code 1. A missing version means 0.1.0. */
export function parseCniVersion(value: unknown): CniVersion {
  if (value === undefined || value === '') return '0.1.0'
  const version = cniVersions.find((known) => known === value)
  if (version === undefined) throw new CniError('ERR_CNI_INCOMPATIBLE_VERSION', `incompatible CNI versions; config is ${JSON.stringify(value)}, plugin supports ${JSON.stringify(cniVersions)}`)
  return version
}

export function isAtLeast(version: CniVersion, minimum: CniVersion): boolean {
  return cniVersions.indexOf(version) >= cniVersions.indexOf(minimum)
}
