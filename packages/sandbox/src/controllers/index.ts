export { createControllers, type Controllers } from './controllers.ts'
