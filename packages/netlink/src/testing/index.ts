export { hasPrograms, kernelTestsPossible, trackDescriptors, whyNoKernelTests } from './kernel-tests.ts'
export { TestNamespace } from './test-namespace.ts'
export type { TestLinkEnd } from './test-namespace.ts'
