import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** One file per app: `apps/<app>/dist/main.mjs`. Names of functions are kept for the stacks in logs. */
const root = join(import.meta.dirname, '..')
for (const app of readdirSync(join(root, 'apps'))) {
  const entry = join(root, 'apps', app, 'src/main.ts')
  if (!existsSync(entry)) continue
  const result = await build({
    entryPoints: [entry],
    outfile: join(root, 'apps', app, 'dist/main.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    metafile: true,
    // CommonJS dependencies call require for node's own modules.
    banner: { js: "import{createRequire as $require}from'node:module';const require=$require(import.meta.url);" },
    logLevel: 'warning',
  })
  const bytes = Object.values(result.metafile.outputs)[0]?.bytes ?? 0
  console.log(`${app}: ${(bytes / 1024 / 1024).toFixed(1)} MB`)
}
