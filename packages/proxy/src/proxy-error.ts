export type ProxyErrorCode = 'ERR_PROXY_NO_NODE' | 'ERR_PROXY_KERNEL' | 'ERR_PROXY_PORT_TAKEN' | 'ERR_PROXY_ADDRESS_NOT_ALLOWED' | 'ERR_PROXY_ANNOTATION_INVALID' | 'ERR_PROXY_TOO_MANY_ENDPOINTS' | 'ERR_PROXY_SERVICE_TOO_LARGE'

/** What keeps the proxy from serving a port, or any. */
export class ProxyError extends Error {
  readonly code: ProxyErrorCode

  constructor(code: ProxyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProxyError'
    this.code = code
  }
}
