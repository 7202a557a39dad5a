export { type BackupManifest, type BackupShard, ManifestError, parseManifest } from './manifest.ts'
export { objectOf } from './object-names.ts'
export { refusalOf } from './refusal.ts'
export { strangeSlots } from './strange-slots.ts'
