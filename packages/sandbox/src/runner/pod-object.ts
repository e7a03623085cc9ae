/** The fields of a core/v1 Pod that the node runner uses, as the API server stores them: validated and defaulted there. */
export interface PodObject {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly resourceVersion: string
    readonly creationTimestamp?: string | undefined
    readonly labels?: Readonly<Record<string, string>> | undefined
    readonly annotations?: Readonly<Record<string, string>> | undefined
    readonly deletionTimestamp?: string | undefined
    readonly deletionGracePeriodSeconds?: number | undefined
  }
  readonly spec: PodSpec
  readonly status?: PodStatus | undefined
}

export interface PodSpec {
  readonly nodeName?: string | undefined
  readonly hostNetwork?: boolean | undefined
  readonly hostname?: string | undefined
  readonly subdomain?: string | undefined
  readonly setHostnameAsFQDN?: boolean | undefined
  readonly serviceAccountName?: string | undefined
  readonly automountServiceAccountToken?: boolean | undefined
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never' | undefined
  readonly terminationGracePeriodSeconds?: number | undefined
  readonly dnsPolicy?: 'ClusterFirst' | 'ClusterFirstWithHostNet' | 'Default' | 'None' | undefined
  readonly dnsConfig?: DnsConfig | undefined
  readonly hostAliases?: readonly { readonly ip: string, readonly hostnames?: readonly string[] | undefined }[] | undefined
  readonly readinessGates?: readonly { readonly conditionType: string }[] | undefined
  readonly initContainers?: readonly Container[] | undefined
  readonly containers: readonly Container[]
  readonly volumes?: readonly Volume[] | undefined
  readonly securityContext?: { readonly sysctls?: readonly { readonly name: string, readonly value: string }[] | undefined } | undefined
}

interface DnsConfig {
  readonly nameservers?: readonly string[] | undefined
  readonly searches?: readonly string[] | undefined
  readonly options?: readonly { readonly name: string, readonly value?: string | undefined }[] | undefined
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[] | undefined
  readonly args?: readonly string[] | undefined
  readonly workingDir?: string | undefined
  readonly ports?: readonly ContainerPort[] | undefined
  readonly env?: readonly EnvVar[] | undefined
  readonly envFrom?: readonly {
    readonly prefix?: string | undefined
    readonly configMapRef?: Reference | undefined
    readonly secretRef?: Reference | undefined
  }[] | undefined
  readonly volumeMounts?: readonly VolumeMount[] | undefined
  readonly readinessProbe?: Probe | undefined
  readonly livenessProbe?: Probe | undefined
  readonly startupProbe?: Probe | undefined
  readonly lifecycle?: { readonly postStart?: Handler | undefined, readonly preStop?: Handler | undefined } | undefined
  /** Only of init containers: a sidecar. */
  readonly restartPolicy?: 'Always' | undefined
  readonly securityContext?: {
    readonly privileged?: boolean | undefined
    readonly allowPrivilegeEscalation?: boolean | undefined
    readonly capabilities?: { readonly add?: readonly string[] | undefined, readonly drop?: readonly string[] | undefined } | undefined
  } | undefined
  readonly resources?: {
    readonly limits?: Readonly<Record<string, string>> | undefined
    readonly requests?: Readonly<Record<string, string>> | undefined
  } | undefined
}

interface ContainerPort {
  readonly name?: string | undefined
  readonly containerPort: number
  readonly hostPort?: number | undefined
  readonly hostIP?: string | undefined
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP' | undefined
}

interface Reference {
  readonly name: string
  readonly optional?: boolean | undefined
}

export interface EnvVar {
  readonly name: string
  readonly value?: string | undefined
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string } | undefined
    readonly resourceFieldRef?: { readonly resource: string } | undefined
    readonly configMapKeyRef?: (Reference & { readonly key: string }) | undefined
    readonly secretKeyRef?: (Reference & { readonly key: string }) | undefined
  } | undefined
}

interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly subPath?: string | undefined
  readonly readOnly?: boolean | undefined
}

export interface KeyToPath {
  readonly key: string
  readonly path: string
}

export interface DownwardItem {
  readonly path: string
  readonly fieldRef?: { readonly fieldPath: string } | undefined
}

export interface Volume {
  readonly name: string
  readonly emptyDir?: object | undefined
  readonly hostPath?: { readonly path: string } | undefined
  readonly configMap?: (Reference & { readonly items?: readonly KeyToPath[] | undefined }) | undefined
  readonly secret?: { readonly secretName: string, readonly optional?: boolean | undefined, readonly items?: readonly KeyToPath[] | undefined } | undefined
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[] | undefined } | undefined
  readonly projected?: { readonly sources?: readonly ProjectedSource[] | undefined } | undefined
}

export interface ProjectedSource {
  readonly configMap?: (Reference & { readonly items?: readonly KeyToPath[] | undefined }) | undefined
  readonly secret?: (Reference & { readonly items?: readonly KeyToPath[] | undefined }) | undefined
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[] | undefined } | undefined
  readonly serviceAccountToken?: { readonly path: string, readonly audience?: string | undefined, readonly expirationSeconds?: number | undefined } | undefined
}

/** What a probe or a lifecycle hook does. */
export interface Handler {
  readonly exec?: { readonly command: readonly string[] } | undefined
  readonly httpGet?: {
    readonly path?: string | undefined
    readonly port: number | string
    readonly host?: string | undefined
    readonly scheme?: 'HTTP' | 'HTTPS' | undefined
    readonly httpHeaders?: readonly { readonly name: string, readonly value: string }[] | undefined
  } | undefined
  readonly tcpSocket?: { readonly port: number | string, readonly host?: string | undefined } | undefined
  readonly sleep?: { readonly seconds: number } | undefined
}

export interface Probe extends Handler {
  readonly initialDelaySeconds?: number | undefined
  readonly timeoutSeconds?: number | undefined
  readonly periodSeconds?: number | undefined
  readonly successThreshold?: number | undefined
  readonly failureThreshold?: number | undefined
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly lastTransitionTime?: string | undefined
  readonly reason?: string | undefined
  readonly message?: string | undefined
}

export interface ContainerState {
  readonly waiting?: { readonly reason: string, readonly message?: string | undefined } | undefined
  readonly running?: { readonly startedAt: string } | undefined
  readonly terminated?: {
    readonly exitCode: number
    readonly signal?: number | undefined
    readonly reason: string
    readonly message?: string | undefined
    readonly startedAt: string
    readonly finishedAt: string
    readonly containerID: string
  } | undefined
}

export interface ContainerStatus {
  readonly name: string
  readonly image: string
  readonly imageID: string
  readonly containerID?: string | undefined
  readonly ready: boolean
  readonly started: boolean
  readonly restartCount: number
  readonly state: ContainerState
  readonly lastState: ContainerState
}

export interface PodStatus {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | undefined
  readonly conditions?: readonly Condition[] | undefined
  readonly reason?: string | undefined
  readonly message?: string | undefined
  readonly hostIP?: string | undefined
  readonly hostIPs?: readonly { readonly ip: string }[] | undefined
  readonly podIP?: string | undefined
  readonly podIPs?: readonly { readonly ip: string }[] | undefined
  readonly startTime?: string | undefined
  readonly initContainerStatuses?: readonly ContainerStatus[] | undefined
  readonly containerStatuses?: readonly ContainerStatus[] | undefined
}
