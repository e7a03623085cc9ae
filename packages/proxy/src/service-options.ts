import { maxAnnotationLength, objectKey, type Service } from '@weft/api'
import { ProxyError } from './proxy-error.ts'
import { parseWeights, type Weights } from './weights.ts'

/** What a Service asks for beyond Kubernetes, by annotations. */
export interface ServiceOptions {
  /** `weft.dev/weights`. */
  readonly weights: Weights | undefined
  /** `weft.dev/drainSeconds`: how long flows stay with an endpoint that terminates, whatever it says of itself. */
  readonly drainSeconds: number | undefined
}

const none: ServiceOptions = { weights: undefined, drainSeconds: undefined }
const maxDrainSeconds = 86_400

/** Reads the annotations of a Service; one that is wrong is told and left out, the Service is served all the same. */
export function serviceOptions(service: Service, refusals: ProxyError[]): ServiceOptions {
  const { weights, drainSeconds } = service.annotations
  if (weights === undefined && drainSeconds === undefined) return none
  const read = <T>(name: string, text: string | undefined, parse: (text: string) => T): T | undefined => {
    if (text === undefined) return undefined
    try {
      if (text.length > maxAnnotationLength) throw new SyntaxError(`Cannot parse ${name}: they are longer than ${maxAnnotationLength} letters`)
      return parse(text)
    } catch (error) {
      refusals.push(new ProxyError('ERR_PROXY_ANNOTATION_INVALID', `Cannot follow annotation "weft.dev/${name}" of Service "${objectKey(service)}": ${(error as Error).message}`))
      return undefined
    }
  }
  return { weights: read('weights', weights, parseWeights), drainSeconds: read('drainSeconds', drainSeconds, parseSeconds) }
}

function parseSeconds(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(seconds >= 1 && seconds <= maxDrainSeconds)) throw new SyntaxError(`Cannot parse seconds "${text.slice(0, 60)}": wanted a whole number from 1 to ${maxDrainSeconds}`)
  return seconds
}
