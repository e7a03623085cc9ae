// Read first: RFC 5280 §4.1 and §4.2, RFC 5758 §3.2 (ecdsa-with-SHA256).
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { ipToBytes, parseIp } from '@weft/ip'
import { bitString, boolean, integer, objectIdentifier, octetString, sequence, set, tagged, time, utf8String, type Der } from './der.ts'

/** A private key with its certificate, both PEM. */
export interface KeyPair {
  readonly key: string
  readonly certificate: string
}

const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'))
const DAY_MS = 86_400_000

/**
 * Makes a certificate authority of its own.
 *
 * @param now Start of its ten years.
 */
export function makeAuthority(commonName: string, now: Date): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const extensions = [
    extension('2.5.29.19', sequence(boolean(true)), true),
    extension('2.5.29.15', bitString(Uint8Array.of(0b1000_0110), 1), true), // digitalSignature, keyCertSign, cRLSign
    extension('2.5.29.14', octetString(keyIdentifier(publicKey))),
  ]
  const certificate = makeCertificate({ issuer: commonName, subject: commonName, publicKey, extensions, from: now, days: 3650 }, privateKey)
  return { key: pemOfKey(privateKey), certificate }
}

/**
 * Makes a server certificate signed by an authority.
 *
 * @param names DNS names and IP addresses it is good for.
 */
export function makeServerCertificate(authority: KeyPair & { readonly privateKey: KeyObject }, names: readonly string[], now: Date): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = new X509Certificate(authority.certificate)
  const extensions = [
    extension('2.5.29.19', sequence(), true),
    extension('2.5.29.15', bitString(Uint8Array.of(0b1000_0000), 7), true), // digitalSignature
    extension('2.5.29.37', sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))), // serverAuth
    extension('2.5.29.17', sequence(...names.map(alternativeName))),
    extension('2.5.29.35', sequence(tagged(0, keyIdentifier(issuer.publicKey), 'primitive'))),
  ]
  const issuerName = /^CN=(.*)$/mu.exec(issuer.subject)![1]!
  const certificate = makeCertificate({ issuer: issuerName, subject: 'kube-apiserver', publicKey, extensions, from: now, days: 3650 }, authority.privateKey)
  return { key: pemOfKey(privateKey), certificate }
}

interface Contents {
  readonly issuer: string
  readonly subject: string
  readonly publicKey: KeyObject
  readonly extensions: readonly Der[]
  readonly from: Date
  readonly days: number
}

function makeCertificate(contents: Contents, signer: KeyObject): string {
  const serial = randomBytes(16)
  serial[0]! &= 0x7f
  serial[0]! |= 0x40 // never an octet that DER would want shortened
  const toSign = sequence(
    tagged(0, integer(Uint8Array.of(2))), // v3
    integer(serial),
    ECDSA_WITH_SHA256,
    commonNameOf(contents.issuer),
    // An hour back: clocks of containers and hosts differ.
    sequence(time(new Date(contents.from.getTime() - 3_600_000)), time(new Date(contents.from.getTime() + contents.days * DAY_MS))),
    commonNameOf(contents.subject),
    contents.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(...contents.extensions)),
  )
  return pem('CERTIFICATE', sequence(toSign, ECDSA_WITH_SHA256, bitString(sign('sha256', toSign, signer))))
}

function commonNameOf(text: string): Der {
  return sequence(set(sequence(objectIdentifier('2.5.4.3'), utf8String(text))))
}

function extension(oid: string, value: Der, critical = false): Der {
  return sequence(objectIdentifier(oid), ...(critical ? [boolean(true)] : []), octetString(value))
}

function alternativeName(name: string): Der {
  const address = addressBytes(name)
  return address === undefined ? tagged(2, Buffer.from(name), 'primitive') : tagged(7, address, 'primitive')
}

function addressBytes(name: string): Uint8Array | undefined {
  return isIP(name) === 0 ? undefined : ipToBytes(parseIp(name))
}

function keyIdentifier(key: KeyObject): Uint8Array {
  return createHash('sha1').update(key.export({ type: 'spki', format: 'der' })).digest()
}

function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').match(/.{1,64}/gu)!.join('\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

function pemOfKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' })
}
