export { type ControllerConfig, controllerConfigSchema } from './config.ts'
export { type Controller, type ControllerDeps, createController } from './controller.ts'
