import { runHost } from '@slotkeeper/controller-host'
import { backupApp } from './backup-app.ts'
import { readConfig } from './config.ts'

await runHost(backupApp, readConfig(process.env))
