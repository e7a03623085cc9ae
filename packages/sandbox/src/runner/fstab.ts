/** One mount of a container; `mount -a` does a whole list in one process. */
export interface Mount {
  readonly source: string
  readonly target: string
  /** @default 'none', for binds */
  readonly type?: string | undefined
  readonly options: string
}

/** fstab(5) text; white space in paths is written as octal escapes. */
export function formatFstab(mounts: readonly Mount[]): string {
  return mounts.map(({ source, target, type = 'none', options }) => `${escape(source)} ${escape(target)} ${type} ${options} 0 0\n`).join('')
}

function escape(path: string): string {
  return path.replaceAll(/[ \t\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
