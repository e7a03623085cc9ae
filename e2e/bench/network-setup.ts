// Read first: internal/cri/server/sandbox_run.go of containerd 2: namespace and CNI come before the sandbox is started.

/**
 * How long containerd took for each pod from the call for its sandbox to the start of that, by the pod's name, in milliseconds: all of the network's set-up
 * and little else. What else it is, pods on the host network tell.
 *
 * @param log Lines as containerd writes them, at level `info`.
 */
export function setupTimes(log: string): ReadonlyMap<string, number> {
  const asked = new Map<string, number>()
  const started = new Map<string, number>()
  const times = new Map<string, number>()
  for (const [, time, message] of log.matchAll(/^time="([^"]+)" level=info msg="(.*)$/gm)) {
    const at = Date.parse(time!)
    const [, metadata, name, id] = /^RunPodSandbox for (&PodSandboxMetadata\{Name:([^,]+),[^}]*\})(?: returns sandbox id \\"(\w+)\\")?/.exec(message!) ?? []
    if (metadata !== undefined && id === undefined) asked.set(metadata, at)
    const [, sandbox] = /^connecting to shim (\w+)"/.exec(message!) ?? []
    // Containers are started through a connection of their own, under another id.
    if (sandbox !== undefined) started.set(sandbox, at)
    if (metadata === undefined || id === undefined) continue
    const [from, to] = [asked.get(metadata), started.get(id)]
    if (from !== undefined && to !== undefined) times.set(name!, to - from)
  }
  return times
}
