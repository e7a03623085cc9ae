// Read first: POSIX.1-2024 pax(1), "ustar Interchange Format" and "pax Interchange Format".
import { ImageError } from './image-error.ts'

/** A file, folder or link of an archive. */
export type TarEntry =
  | { readonly kind: 'file', readonly path: string, readonly mode: number, readonly content: Uint8Array }
  | { readonly kind: 'folder', readonly path: string, readonly mode: number }
  | { readonly kind: 'link', readonly path: string, readonly target: string }

const block = 512

/** Offsets and lengths of a header's fields. */
const field = {
  name: [0, 100], mode: [100, 8], uid: [108, 8], gid: [116, 8], size: [124, 12], mtime: [136, 12], checksum: [148, 8], type: [156, 1], linkName: [157, 100],
  magic: [257, 6], version: [263, 2], prefix: [345, 155],
} as const

/**
 * An archive that depends on its entries and nothing else: root owns everything, every time is the epoch.
 *
 * @param entries In the order they are to have; `writeLayer` sorts.
 * @throws {ImageError} `ERR_IMAGE_CONTENT` for the target of a link that a header cannot hold.
 */
export function packTar(entries: readonly TarEntry[]): Buffer {
  const parts: Uint8Array[] = []
  const putContent = (content: Uint8Array): void => void parts.push(content, Buffer.alloc(padding(content.length)))
  for (const entry of entries) {
    if (!fitsHeader(entry)) {
      const record = paxRecord('path', entry.path)
      parts.push(encodeHeader({ kind: 'file', path: 'long-name', mode: 0o644, content: record }, 'x'))
      putContent(record)
    }
    parts.push(encodeHeader(fitsHeader(entry) ? entry : { ...entry, path: 'long-name' }))
    if (entry.kind === 'file') putContent(entry.content)
  }
  parts.push(Buffer.alloc(2 * block))
  return Buffer.concat(parts)
}

/** Entries of an archive as GNU tar, npm and dpkg write them; devices and hard links are refused. */
export function unpackTar(archive: Uint8Array): TarEntry[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength)
  const entries: TarEntry[] = []
  let next: { path?: string | undefined, target?: string | undefined } = {}
  for (let offset = 0; offset + block <= bytes.length;) {
    const header = bytes.subarray(offset, offset + block)
    if (header[0] === 0) break
    const size = Number.parseInt(text(header, field.size).trim(), 8)
    const content = bytes.subarray(offset + block, offset + block + size)
    offset += block + size + padding(size)
    const type = text(header, field.type)
    if (type === 'x') next = { ...next, ...paxOf(content) }
    else if (type === 'L') next = { ...next, path: content.toString('utf8').replace(/\0.*$/s, '') }
    else if (type === 'K') next = { ...next, target: content.toString('utf8').replace(/\0.*$/s, '') }
    else if (type !== 'g') {
      const prefix = text(header, field.magic).startsWith('ustar') && !text(header, field.magic).endsWith(' ') ? text(header, field.prefix) : ''
      const path = (next.path ?? (prefix === '' ? '' : `${prefix}/`) + text(header, field.name)).replace(/^\.\//, '').replace(/\/$/, '')
      const mode = Number.parseInt(text(header, field.mode).trim(), 8) & 0o777
      const target = next.target ?? text(header, field.linkName)
      next = {}
      if (type === '5') entries.push({ kind: 'folder', path, mode })
      else if (type === '2') entries.push({ kind: 'link', path, target })
      else if (type === '0' || type === '') entries.push({ kind: 'file', path, mode, content })
      else throw new ImageError('ERR_IMAGE_CONTENT', `Cannot read archive entry "${path}": it is of type ${type}, wanted a file, folder or link`)
    }
  }
  return entries
}

/** Where a path that is longer than a name's field is cut: -1 when it need not be, undefined when it cannot be. */
function cutOf(path: string): number | undefined {
  if (Buffer.byteLength(path) <= field.name[1]) return -1
  for (let cut = path.indexOf('/'); cut !== -1 && cut < path.length - 1; cut = path.indexOf('/', cut + 1)) {
    if (Buffer.byteLength(path.slice(0, cut)) <= field.prefix[1] && Buffer.byteLength(path.slice(cut + 1)) <= field.name[1]) return cut
  }
  return undefined
}

function pathOf({ kind, path }: TarEntry): string {
  return kind === 'folder' ? `${path}/` : path
}

function fitsHeader(entry: TarEntry): boolean {
  return cutOf(pathOf(entry)) !== undefined
}

/** A record of pax, which tells its own length. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  // One more digit may need one more digit.
  length = rest + String(length).length
  return Buffer.from(`${length} ${key}=${value}\n`)
}

/** @param type As in the header; that of the entry's kind by default. */
function encodeHeader(entry: TarEntry, type: string = { file: '0', folder: '5', link: '2' }[entry.kind]): Buffer {
  const header = Buffer.alloc(block)
  const put = ([offset, length]: readonly [number, number], value: string): void => {
    if (Buffer.byteLength(value) > length) throw new ImageError('ERR_IMAGE_CONTENT', `Cannot write archive entry "${entry.path}": "${value}" is longer than ${length} bytes`)
    header.write(value, offset)
  }
  const octal = (range: readonly [number, number], value: number): void => put(range, `${value.toString(8).padStart(range[1] - 1, '0')}\0`)
  const path = pathOf(entry)
  const cut = cutOf(path)!
  put(field.name, path.slice(cut + 1))
  if (cut > 0) put(field.prefix, path.slice(0, cut))
  octal(field.mode, entry.kind === 'link' ? 0o777 : entry.mode)
  octal(field.uid, 0)
  octal(field.gid, 0)
  octal(field.size, entry.kind === 'file' ? entry.content.length : 0)
  octal(field.mtime, 0)
  put(field.type, type)
  if (entry.kind === 'link') put(field.linkName, entry.target)
  put(field.magic, 'ustar\0')
  put(field.version, '00')
  // The sum counts its own field as spaces.
  header.fill(0x20, field.checksum[0], field.checksum[0] + field.checksum[1])
  put(field.checksum, `${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `)
  return header
}

/** `<length> path=<value>\n`, as many as there are. */
function paxOf(content: Buffer): { path?: string, target?: string } {
  const records: { path?: string, target?: string } = {}
  for (let offset = 0; offset < content.length;) {
    const space = content.indexOf(0x20, offset)
    const length = Number(content.toString('latin1', offset, space))
    if (!(length > 0)) break
    const [, key, value] = /^(\w+)=(.*)\n$/s.exec(content.toString('utf8', space + 1, offset + length)) ?? []
    if (key === 'path') records.path = value!
    if (key === 'linkpath') records.target = value!
    offset += length
  }
  return records
}

function text(header: Buffer, [offset, length]: readonly [number, number]): string {
  return header.toString('utf8', offset, offset + length).replace(/\0.*$/s, '')
}

function padding(size: number): number {
  return (block - size % block) % block
}
