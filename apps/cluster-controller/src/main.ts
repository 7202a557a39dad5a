import { runHost } from '@slotkeeper/controller-host'
import { clusterApp } from './cluster-app.ts'
import { readConfig } from './config.ts'

await runHost(clusterApp, readConfig(process.env))
