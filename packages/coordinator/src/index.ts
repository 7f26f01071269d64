export { type Coordinator, type CoordinatorOptions, startCoordinator } from './coordinator.ts'
export type { CoordinatorEvent } from './event.ts'
export { groupIdOf, type Manifest, ManifestError, makeManifest, parseManifest } from './manifest.ts'
export { type CoordinatorSettings, defaultSettings } from './settings.ts'
