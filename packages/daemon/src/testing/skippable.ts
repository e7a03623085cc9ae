/**
 * The title of a test that may be skipped: the reason is in it, where `./weft test` looks for it and holds it
 * against `test/allowed-skips.txt`.
 *
 * @param reason What is missing; `undefined` when the test runs.
 * @example
 * const missing = whyNoPrograms('nft')
 * test.skipIf(missing !== undefined)(skippable('lists what was committed', missing), () => { … })
 */
export function skippable(title: string, reason: string | undefined): string {
  return reason === undefined ? title : `${title} [skipped: ${reason}]`
}
