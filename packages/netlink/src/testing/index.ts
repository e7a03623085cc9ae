export type { EchoOptions } from './echo.ts'
export { hasPrograms, kernelTestsPossible, trackDescriptors, whyNoKernelTests, whyNoPrograms } from './kernel-tests.ts'
export { TestNamespace } from './test-namespace.ts'
export type { TestLinkEnd } from './test-namespace.ts'
