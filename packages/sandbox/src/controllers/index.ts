export { createControllers, type Controllers, type ControllersConfig } from './controllers.ts'
export type { ControllerContext } from './controller.ts'
