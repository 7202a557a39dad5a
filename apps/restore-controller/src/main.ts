import { runHost } from '@slotkeeper/controller-host'
import { readConfig } from './config.ts'
import { restoreApp } from './restore-app.ts'

await runHost(restoreApp, readConfig(process.env))
