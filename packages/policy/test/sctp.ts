// Read first: RFC 9260 §3 (common header, INIT), RFC 3309 (the checksum is CRC-32C).

/** The packet that opens an association: conntrack takes it for a first one. */
export function sctpInit(port: number): Buffer {
  const packet = Buffer.alloc(12 + 20)
  packet.writeUInt16BE(40_000, 0)
  packet.writeUInt16BE(port, 2)
  // Chunk INIT of 20 bytes: tag, window, streams out and in, first number.
  packet.writeUInt8(1, 12)
  packet.writeUInt16BE(20, 14)
  packet.writeUInt32BE(0x1234_5678, 16)
  packet.writeUInt32BE(65_536, 20)
  packet.writeUInt16BE(1, 24)
  packet.writeUInt16BE(1, 26)
  packet.writeUInt32LE(crc32c(packet), 8)
  return packet
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0)
  }
  return ~crc >>> 0
}
