import { type Attachment, isSamePod, objectKey, type Pod } from '@weft/api'

/** An attachment of this node and the pod it was made for. */
export interface AttachedPod {
  readonly key: string
  readonly attachment: Attachment
  /** As last seen: a pod may leave the API before its link is gone. Undefined while the API has not told of it. */
  readonly pod: Pod | undefined
}

/** What this node has wired, by attachment and by pod: two sandboxes of one pod may have links at once. */
export class AttachedPods {
  readonly #all = new Map<string, AttachedPod>()
  readonly #byPod = new Map<string, Set<string>>()

  set(attachment: Attachment, pod: Pod | undefined): void {
    const key = attachmentKey(attachment)
    this.#all.set(key, { key, attachment, pod })
    this.#byPod.getOrInsertComputed(objectKey(attachment), () => new Set()).add(key)
  }

  /** @returns False if there is no such attachment. */
  delete(attachment: Attachment): boolean {
    const key = attachmentKey(attachment)
    const pod = objectKey(attachment)
    const keys = this.#byPod.get(pod)
    keys?.delete(key)
    if (keys?.size === 0) this.#byPod.delete(pod)
    return this.#all.delete(key)
  }

  /** Attachments of the pods that had or have a key. */
  of(podKey: string): readonly AttachedPod[] {
    return [...this.#byPod.get(podKey) ?? []].map((key) => this.#all.get(key)!)
  }

  /** The API's present view of a pod: attachments of that very pod take it over. */
  see(podKey: string, pod: Pod): void {
    for (const held of this.of(podKey)) if (isSamePod(pod, held.attachment.uid)) this.#all.set(held.key, { ...held, pod })
  }
}

export function attachmentKey({ containerId, ifname }: Pick<Attachment, 'containerId' | 'ifname'>): string {
  return `${containerId}/${ifname}`
}
