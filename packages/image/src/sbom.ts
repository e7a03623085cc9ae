// Read first: SPDX 2.3, clauses 6 (document), 7 (packages) and 11 (relationships).

/** Something the image contains. */
export interface Component {
  readonly name: string
  readonly version: string
  /** An SPDX expression, or `NOASSERTION` where the licence is a text of its own. */
  readonly licence: string
  /** A package URL, e.g. `pkg:npm/zod@4.6.7`. */
  readonly purl: string
  readonly checksum?: { readonly algorithm: 'SHA256' | 'SHA512', readonly value: string } | undefined
}

/** The bill of materials as SPDX JSON: the image and what is in it. The same contents give the same text. */
export function formatSbom(image: { readonly name: string, readonly version: string }, components: readonly Component[]): string {
  const idOf = ({ name, version }: Component): string => `SPDXRef-${`${name}-${version}`.replaceAll(/[^\w.-]+/g, '-').replaceAll('_', '-')}`
  const packages = components.map((component) => ({
    SPDXID: idOf(component),
    name: component.name,
    versionInfo: component.version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: component.licence,
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: component.purl }],
    ...(component.checksum === undefined ? {} : { checksums: [{ algorithm: component.checksum.algorithm, checksumValue: component.checksum.value }] }),
  }))
  return `${JSON.stringify({
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${image.name}:${image.version}`,
    documentNamespace: `https://weft.dev/spdx/${image.version}`,
    creationInfo: { created: '1970-01-01T00:00:00Z', creators: [`Tool: weft-image-${image.version}`] },
    packages: [
      { SPDXID: 'SPDXRef-image', name: image.name, versionInfo: image.version, downloadLocation: 'NOASSERTION', filesAnalyzed: false, licenseConcluded: 'NOASSERTION', licenseDeclared: 'Apache-2.0', copyrightText: 'NOASSERTION', primaryPackagePurpose: 'CONTAINER' },
      ...packages,
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-image' },
      ...components.map((component) => ({ spdxElementId: 'SPDXRef-image', relationshipType: 'CONTAINS', relatedSpdxElement: idOf(component) })),
    ],
  }, null, 1)}\n`
}
