/** Any object as it is sent to the API server. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

export const namespace = 'kube-system'

/** Labels of everything Weft installs. */
export function labelsOf(component: string): Readonly<Record<string, string>> {
  return { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/component': component }
}
