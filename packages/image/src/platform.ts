/** Names of one machine architecture in the vocabularies that meet in an image. */
export interface Platform {
  /** As OCI writes it. */
  readonly name: PlatformName
  /** As OCI and Debian write it. */
  readonly architecture: 'amd64' | 'arm64'
  /** As Node and npm write it. */
  readonly node: 'x64' | 'arm64'
  /** As GNU writes it: the folder of shared libraries. */
  readonly triplet: string
  /** Where programs look for the dynamic loader. */
  readonly loader: string
  /** The C compiler that makes programs for it elsewhere. */
  readonly crossCompiler: string
}

export type PlatformName = 'linux/amd64' | 'linux/arm64'

export const platforms: Readonly<Record<PlatformName, Platform>> = {
  'linux/amd64': { name: 'linux/amd64', architecture: 'amd64', node: 'x64', triplet: 'x86_64-linux-gnu', loader: 'usr/lib64/ld-linux-x86-64.so.2', crossCompiler: 'x86_64-linux-gnu-gcc' },
  'linux/arm64': { name: 'linux/arm64', architecture: 'arm64', node: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'usr/lib/ld-linux-aarch64.so.1', crossCompiler: 'aarch64-linux-gnu-gcc' },
}

/** That of this machine. */
export const hostPlatform: Platform = process.arch === 'arm64' ? platforms['linux/arm64'] : platforms['linux/amd64']
