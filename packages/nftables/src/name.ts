import { NftError } from './nft-error.ts'

/**
 * Refuses names that nft text could not carry.
 *
 * @throws {NftError} `ERR_NFT_NAME_INVALID`.
 */
export function checkName(noun: string, name: string): string {
  // nft's scanner: a letter or underscore, then letters, digits, and . _ - / \ ; kernel: NFT_NAME_MAXLEN 255.
  if (!/^[A-Za-z_][A-Za-z0-9_./\\-]{0,253}$/.test(name)) {
    throw new NftError('ERR_NFT_NAME_INVALID', `Cannot name ${noun} ${JSON.stringify(name)}: nft takes a letter, then letters, digits and "_./-", 254 at most`)
  }
  return name
}

/**
 * Refuses comments and log prefixes that could not be printed in double quotes.
 *
 * @param maxBytes Longest UTF-8 text.
 * @throws {NftError} `ERR_NFT_NAME_INVALID`.
 */
export function checkText(noun: string, text: string, maxBytes: number): string {
  // nft has no escape inside double quotes.
  // oxlint-disable-next-line no-control-regex
  if (/["\u0000-\u001f\u007f]/.test(text) || Buffer.byteLength(text) > maxBytes) {
    throw new NftError('ERR_NFT_NAME_INVALID', `Cannot use ${noun} ${JSON.stringify(text)}: nft takes ${maxBytes} bytes without quotes or control characters`)
  }
  return text
}

/** Name of a set or map, given by itself or by its declaration. */
export function setName(set: { readonly name: string } | string): string {
  return checkName('set', typeof set === 'string' ? set : set.name)
}

/** `comment "text"`. */
export function quotedComment(text: string): string {
  return `comment "${checkText('comment', text, 128)}"`
}
