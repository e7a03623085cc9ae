/** Variables of programs that run outside of pods. */
export type ToolEnvironment = Readonly<Record<string, string>>

/** What is passed on from whoever started the sandbox, and nothing else: a cluster does not depend on a shell. */
const passedOn = ['HOME', 'LANG', 'TERM', 'TMPDIR', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS']

/** @param bin Folder of the probe's names, put first in PATH. */
export function toolEnvironmentWith(bin: string): ToolEnvironment {
  const values = passedOn.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { ...Object.fromEntries(values), PATH: `${bin}:${process.env['PATH'] ?? '/usr/bin:/bin'}` }
}
