/** A file of an archive. */
export interface TarFile {
  readonly path: string
  readonly content: string
}

const blockBytes = 512

/** Files as a POSIX archive (ustar), in the order given, of mode 0644. Paths of up to 100 bytes. */
export function tarOf(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap(({ path, content }) => {
    const body = Buffer.from(content)
    return [headerOf(path, body.length), body, Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes)]
  })
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)])
}

function headerOf(path: string, size: number): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`Cannot archive "${path}": its name has more than 100 bytes`)
  const header = Buffer.alloc(blockBytes)
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`
  header.write(path, 0)
  header.write(octal(0o644, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(0, 12), 100)
  // The checksum counts its own field as spaces.
  header.write('        0', 148)
  header.write('ustar\u000000', 257)
  header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
