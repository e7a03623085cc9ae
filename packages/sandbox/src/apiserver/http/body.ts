import { asJson, type Json } from '../json.ts'
import { decodeProtobuf } from '../schema/protobuf.ts'
import { badRequest, unsupportedMediaType } from '../status.ts'

/** A request's body, decoded. */
export interface RequestBody {
  readonly body: Json | undefined
  /** Lower case, without parameters; JSON when the client named none. */
  readonly contentType: string
}

const ACCEPTED = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']

/**
 * Decodes a body by its Content-Type.
 *
 * @throws {ApiError} 400 when it does not parse, 415 for CBOR and others.
 */
export async function readBody(bytes: Buffer | undefined, header: string | undefined): Promise<RequestBody> {
  const contentType = (header ?? '').split(';')[0]!.trim().toLowerCase() || 'application/json'
  if (bytes === undefined || bytes.length === 0) return { body: undefined, contentType }
  if (contentType === 'application/vnd.kubernetes.protobuf') {
    return { body: decodeProtobuf(bytes), contentType }
  }
  const text = bytes.toString('utf8')
  if (contentType.endsWith('yaml')) return { body: await parseYaml(text), contentType }
  // Other media types of a PATCH are judged by the patch verb, which names those the kind takes.
  if (contentType !== 'application/json' && !contentType.endsWith('+json')) throw unsupportedMediaType(ACCEPTED)
  try {
    return { body: asJson(JSON.parse(text)), contentType }
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function parseYaml(text: string): Promise<Json> {
  try {
    // JSON is YAML, and Kubernetes' own clients send it under the YAML name.
    if (text.startsWith('{')) return asJson(JSON.parse(text))
  } catch {
    // Then it is a YAML flow mapping.
  }
  // Imported late: only hand-written apply requests need it.
  const { parse } = await import('yaml')
  try {
    return asJson(parse(text))
  } catch (error) {
    throw badRequest(`error decoding YAML: ${error instanceof Error ? error.message : String(error)}`)
  }
}
