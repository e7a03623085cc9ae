/** A time as nft prints it: `1h2m3s500ms`. */
export function formatDuration(milliseconds: number): string {
  const units = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1]] as const
  let rest = Math.trunc(milliseconds)
  let text = ''
  for (const [unit, size] of units) {
    const count = Math.trunc(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest %= size
  }
  return text || '0s'
}
