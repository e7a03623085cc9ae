// Read first: apimachinery's pkg/util/validation, RFC 1035 §2.3.1, RFC 1123 §2.1.

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/u
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/u
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/u
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/u
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/u
const PORT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/u

/** What is wrong with `text` as an RFC 1123 label, or undefined. */
export function labelFault(text: string): string | undefined {
  if (text.length > 63) return 'must be no more than 63 characters'
  if (LABEL.test(text)) return undefined
  return `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`
}

/** What is wrong with `text` as an RFC 1035 label (names of Services), or undefined. */
export function label1035Fault(text: string): string | undefined {
  if (text.length > 63) return 'must be no more than 63 characters'
  if (LABEL_1035.test(text)) return undefined
  return `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`
}

/** What is wrong with `text` as an RFC 1123 subdomain (most names), or undefined. */
export function subdomainFault(text: string): string | undefined {
  if (text.length > 253) return 'must be no more than 253 characters'
  if (SUBDOMAIN.test(text)) return undefined
  return `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
}

/** What is wrong with `text` as one segment of a path (names of RBAC objects), or undefined. */
export function pathSegmentFault(text: string): string | undefined {
  if (text === '.' || text === '..') return `may not be '${text}'`
  if (text.includes('/')) return `may not contain '/'`
  if (text.includes('%')) return `may not contain '%'`
  return undefined
}

/** What is wrong with `text` as the key of a label or annotation, or undefined. */
export function qualifiedNameFault(text: string): string | undefined {
  const parts = text.split('/')
  const name = parts.at(-1)!
  if (parts.length > 2) return `a qualified name must consist of alphanumeric characters, '-', '_' or '.', with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`
  if (parts.length === 2) {
    const fault = parts[0] === '' ? 'must be non-empty' : subdomainFault(parts[0]!)
    if (fault !== undefined) return `prefix part ${fault}`
  }
  if (name === '') return 'name part must be non-empty'
  if (name.length > 63) return 'name part must be no more than 63 characters'
  if (QUALIFIED.test(name)) return undefined
  return `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`
}

/** What is wrong with `text` as the value of a label, or undefined. */
export function labelValueFault(text: string): string | undefined {
  if (text.length > 63) return 'must be no more than 63 characters'
  if (LABEL_VALUE.test(text)) return undefined
  return `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`
}

/** What is wrong with `text` as the name of a port (IANA_SVC_NAME, at most 15 characters), or undefined. */
export function portNameFault(text: string): string | undefined {
  if (text.length > 15) return 'must be no more than 15 characters'
  if (!PORT_NAME.test(text)) return `must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`
  if (!/[a-z]/u.test(text)) return 'must contain at least one letter (a-z)'
  if (text.includes('--')) return 'must not contain consecutive hyphens'
  return undefined
}
