export { storeOf } from './store-of.ts'
