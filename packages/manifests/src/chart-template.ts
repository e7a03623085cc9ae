/**
 * Expressions of Helm in place of values. YAML writers quote and fold what they do not know, so an expression travels as
 * a plain word and takes its place when the text is finished.
 */
export class ChartTemplate {
  readonly #expressions: string[] = []

  /** A word that stands for an expression, e.g. `.Values.image.tag`. */
  word(expression: string): string {
    return `HELM${this.#expressions.push(expression) - 1}END`
  }

  /** Text of YAML or the like with every word replaced: JSON is YAML, whatever the type. */
  finish(text: string): string {
    return text.replaceAll(/(["']?)HELM(\d+)END\1/g, (_whole, _quote, index: string) => `{{ ${this.#expressions[Number(index)]!} | toJson }}`)
  }

  /** A value, with words somewhere inside, as an expression of Helm. */
  expression(value: unknown): string {
    if (Array.isArray(value)) return `(list ${value.map((each) => this.expression(each)).join(' ')})`
    if (typeof value === 'object' && value !== null) return `(dict ${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)} ${this.expression(each)}`).join(' ')})`
    if (typeof value !== 'string') return String(value)
    const words = [...value.matchAll(/HELM(\d+)END/g)].map(([, index]) => `(${this.#expressions[Number(index)]!})`)
    if (words.length === 0) return JSON.stringify(value)
    if (/^HELM\d+END$/.test(value)) return words[0]!
    return `(printf ${JSON.stringify(value.replaceAll(/HELM\d+END/g, '%s'))} ${words.join(' ')})`
  }
}
