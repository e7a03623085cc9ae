import manifest from '../package.json' with { type: 'json' }

/** That of all packages: they are released together. */
export const version: string = manifest.version
