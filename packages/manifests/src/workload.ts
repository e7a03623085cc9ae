/** What an unprivileged program is given: nothing. */
export const unprivileged = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const

/** The user `nonroot` of the image. */
export const nonroot = { runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532 } as const

export function probe(path: '/healthz' | '/readyz', host: string, timing: { readonly port: number, readonly periodSeconds: number, readonly failureThreshold: number }): object {
  const { port, ...rest } = timing
  return { httpGet: { host, path, port }, timeoutSeconds: 5, ...rest }
}

/** A variable that tells a container of its own pod. */
export function fieldVariable(name: string, fieldPath: string): object {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }
}

export function hostFolder(name: string, path: string, type: 'Directory' | 'DirectoryOrCreate' = 'DirectoryOrCreate'): object {
  return { name, hostPath: { path, type } }
}

