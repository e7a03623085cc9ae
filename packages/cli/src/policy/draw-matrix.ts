import type { PolicyMatrix, PolicyReach } from '@weft/api'

/** They differ in lightness too: nobody has to tell red from green. */
const colours: Readonly<Record<PolicyReach, string>> = { open: '#1b9e77', egress: '#ffd54f', ingress: '#ef6c00', both: '#37474f' }
const words: Readonly<Record<PolicyReach, string>> = { open: 'open', egress: "closed by the sender's egress", ingress: "closed by the receiver's ingress", both: 'closed by both' }
/** Pixels. */
const cell = 22
const letter = 7
const margin = 16
const legendWidth = 250

/** The matrix as an SVG picture: rows send, columns receive, lines between namespaces. */
export function drawMatrix({ traffic, family, pods, reach }: PolicyMatrix): string {
  const labelled = Math.max(...pods.map((pod) => pod.length), 4) * letter + 12
  const left = margin + labelled
  const top = margin + 48 + labelled
  const side = pods.length * cell
  const width = Math.max(left + side, left + legendWidth) + margin
  const height = top + side + 4 * 20 + 2 * margin
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${margin}" y="${margin + 14}" font-size="16" font-weight="bold">Who reaches whom: ${escape(traffic)}, IPv${family}</text>`,
    `<text x="${margin}" y="${margin + 34}" fill="#555555">rows send, columns receive</text>`,
  ]
  for (const [index, pod] of pods.entries()) {
    const at = index * cell + cell / 2
    out.push(`<text x="${left - 8}" y="${top + at + 4}" text-anchor="end">${escape(pod)}</text>`)
    out.push(`<text transform="translate(${left + at + 4} ${top - 8}) rotate(-90)">${escape(pod)}</text>`)
  }
  for (const [row, cells] of reach.entries()) {
    for (const [column, found] of cells.entries()) {
      out.push(`<rect x="${left + column * cell + 1}" y="${top + row * cell + 1}" width="${cell - 2}" height="${cell - 2}" rx="3" fill="${colours[found]}"><title>${escape(pods[row]!)} to ${escape(pods[column]!)}: ${words[found]}</title></rect>`)
    }
  }
  for (const [index, pod] of pods.entries()) {
    if (index === 0 || namespaceOf(pod) === namespaceOf(pods[index - 1]!)) continue
    const at = index * cell
    out.push(`<path d="M${left - labelled} ${top + at}H${left + side}M${left + at} ${top - labelled}V${top + side}" stroke="#999999"/>`)
  }
  for (const [index, found] of (Object.keys(colours) as PolicyReach[]).entries()) {
    const y = top + side + margin + index * 20
    out.push(`<rect x="${left}" y="${y}" width="14" height="14" rx="3" fill="${colours[found]}"/><text x="${left + 22}" y="${y + 12}">${words[found]}</text>`)
  }
  return `${out.join('\n')}\n</svg>\n`
}

function namespaceOf(pod: string): string {
  return pod.slice(0, pod.indexOf('/'))
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
