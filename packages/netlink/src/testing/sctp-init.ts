// Read first: RFC 9260 §3.1, §3.3.2 (INIT) and appendix A (CRC32c).

/** An INIT: the first packet of an association. */
export function sctpInit(sourcePort: number, destinationPort: number): Uint8Array {
  const packet = new DataView(new ArrayBuffer(32))
  packet.setUint16(0, sourcePort)
  packet.setUint16(2, destinationPort)
  // The verification tag is 0, then comes the checksum; chunk type 1 of 20 bytes.
  packet.setUint8(12, 1)
  packet.setUint16(14, 20)
  packet.setUint32(16, 0x1234_5678)
  packet.setUint32(20, 65_536)
  packet.setUint16(24, 1)
  packet.setUint16(26, 1)
  packet.setUint32(28, 1)
  const bytes = new Uint8Array(packet.buffer)
  packet.setUint32(8, crc32c(bytes), true)
  return bytes
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0x82f6_3b78 : 0)
  }
  return ~crc >>> 0
}
