// Read first: internal/cri/server/sandbox_run.go of containerd 2, setupPodNetwork.

/**
 * How long containerd took for the network of each pod, by the pod's name, in milliseconds: from the call of the first plugin, loopback's among them, to the
 * result of the last.
 *
 * @param log Lines as containerd writes them, at level `debug`.
 */
export function setupTimes(log: string): ReadonlyMap<string, number> {
  const begun = new Map<string, number>()
  const took = new Map<string, number>()
  const times = new Map<string, number>()
  for (const [, time, message] of log.matchAll(/^time="([^"]+)" level=(?:info|debug) msg="(.*)$/gm)) {
    const at = Date.parse(time!)
    const [, what, sandbox] = /^(begin cni setup|cni result: ).*podsandboxid=(\w+)$/.exec(message!) ?? []
    if (what === 'begin cni setup') begun.set(sandbox!, at)
    else if (what !== undefined && begun.has(sandbox!)) took.set(sandbox!, at - begun.get(sandbox!)!)
    const [, name, id] = /^RunPodSandbox for &PodSandboxMetadata\{Name:([^,]+),[^}]*\} returns sandbox id \\"(\w+)\\"/.exec(message!) ?? []
    if (name !== undefined && took.has(id!)) times.set(name, took.get(id!)!)
  }
  return times
}
