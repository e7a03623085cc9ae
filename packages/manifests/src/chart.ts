import { stringify } from 'yaml'
import { z } from 'zod'
import { ChartTemplate } from './chart-template.ts'
import type { KubeObject } from './kube-object.ts'
import { dashboardObjects, serviceMonitorObjects } from './monitoring.ts'
import { customResources, objectsOf } from './objects.ts'
import { baseConfigs, type Rendering } from './rendering.ts'
import { valuesSchema, version } from './values.ts'

export interface ChartFile {
  /** Below the folder of the chart. */
  readonly path: string
  readonly text: string
}

/** Documents of one file. */
export function formatObjects(objects: readonly KubeObject[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')
}

/** The chart: the same objects as {@link manifests}, with expressions of Helm where these have values. */
export function chartFiles(): readonly ChartFile[] {
  const template = new ChartTemplate()
  const programs = ['agent', 'dns', 'controller'] as const
  const configs = baseConfigs({
    apiServers: template.word('.Values.apiServers') as unknown as readonly string[],
    listen: template.word('.Values.monitoring.listen'),
    zone: template.word('.Values.dns.zone'),
  })
  const helpers = programs.map((program) => `{{- define "weft.${program}" -}}\n{{- mergeOverwrite ${template.expression(configs[program])} .Values.config.${program} | toYaml -}}\n{{- end -}}\n`).join('\n')
  const merged = `(dict ${programs.map((program) => `"${program}" (include "weft.${program}" . | fromYaml)`).join(' ')})`
  const config = (program: string): string => template.word(`include "weft.${program}" . | printf "%s\\n"`)
  const rendering: Rendering = {
    image: template.word('printf "%s:%s" .Values.image.repository .Values.image.tag'),
    pullPolicy: template.word('.Values.image.pullPolicy'),
    dnsAddress: template.word('index .Values.dns.addresses 0'),
    dnsAddresses: template.word('.Values.dns.addresses') as unknown as readonly string[],
    binDir: template.word('.Values.cni.binDir'),
    confDir: template.word('.Values.cni.confDir'),
    agentConfig: config('agent'),
    dnsConfig: config('dns'),
    controllerConfig: config('controller'),
    configHash: template.word(`${merged} | toJson | sha256sum`),
    replicas: template.word('.Values.controller.replicas') as unknown as number,
    maxUnavailable: template.word('.Values.rollout.maxUnavailable'),
    probeHost: template.word('ternary "127.0.0.1" (.Values.monitoring.listen | trimPrefix "[" | trimSuffix "]") (has .Values.monitoring.listen (list "0.0.0.0" "[::]"))'),
  }
  const only = (condition: string, objects: readonly KubeObject[]): string => `{{- if .Values.monitoring.${condition} }}\n${escaped(formatObjects(objects))}{{- end }}\n`
  return [
    { path: 'Chart.yaml', text: stringify({ apiVersion: 'v2', name: 'weft', description: 'Whole-cluster Kubernetes network', type: 'application', version, appVersion: version, kubeVersion: '>=1.30.0-0' }) },
    { path: 'values.yaml', text: formatValues() },
    { path: 'values.schema.json', text: `${JSON.stringify(valuesJsonSchema(), null, 2)}\n` },
    { path: 'templates/_config.tpl', text: helpers },
    { path: 'templates/custom-resources.yaml', text: escaped(formatObjects(customResources)) },
    { path: 'templates/weft.yaml', text: template.finish(formatObjects(objectsOf(rendering))) },
    { path: 'templates/service-monitor.yaml', text: only('serviceMonitor', serviceMonitorObjects()) },
    { path: 'templates/dashboard.yaml', text: only('dashboard', dashboardObjects()) },
  ]
}

/** Braces that are not Helm's, as in the legends of a board. */
function escaped(text: string): string {
  return text.replaceAll(/\{\{|\}\}/g, (braces) => `{{ "${braces}" }}`)
}

interface Property {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Property>>
}

function valuesJsonSchema(): Property {
  return z.toJSONSchema(valuesSchema, { io: 'input' }) as Property
}

/** `values.yaml`: every value with its default, and above it what it is for. */
function formatValues(): string {
  const lines: string[] = []
  const write = ({ properties = {} }: Property, values: Readonly<Record<string, unknown>>, indent: string): void => {
    for (const [key, property] of Object.entries(properties)) {
      const value = values[key]
      if (property.description !== undefined) lines.push(`${indent}# ${property.description}`)
      if (property.properties === undefined) lines.push(`${indent}${key}: ${JSON.stringify(value)}`)
      else {
        lines.push(`${indent}${key}:`)
        write(property, value as Readonly<Record<string, unknown>>, `${indent}  `)
      }
    }
  }
  write(valuesJsonSchema(), valuesSchema.parse({}) as unknown as Readonly<Record<string, unknown>>, '')
  return `${lines.join('\n')}\n`
}
