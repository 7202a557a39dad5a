import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One text file, by its path from the root of the workspace. */
export type Source = { readonly path: string; readonly text: string }

/** One import: what it names, and whether the name was a literal. */
export type Import = { readonly specifier: string; readonly literal: boolean }

/** The root of the workspace. */
export const root = join(import.meta.dirname, '..')

const skipped = new Set(['node_modules', 'dist', 'coverage', 'bin', 'vendor', 'lost+found'])

/** All files below the root whose name ends in one of the endings, generated and foreign folders aside. */
export function readSources(endings: readonly string[], folder = '.'): readonly Source[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory())
      return skipped.has(entry.name) || entry.name.startsWith('.') ? [] : readSources(endings, path)
    if (!entry.isFile() || !endings.some((ending) => entry.name.endsWith(ending))) return []
    return [{ path, text: readFileSync(join(root, path), 'utf8') }]
  })
}

/** The folders of the workspace's projects, those of the root package's `workspaces`. */
export function projectFolders(): readonly string[] {
  const below = (parent: string): readonly string[] =>
    existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => `${parent}/${name}`) : []
  const folders = [...below('apps'), ...below('libs'), ...below('examples'), 'tools']
  return folders.filter((folder) => existsSync(join(root, folder, 'package.json')))
}

/** Whether a file is a test or serves only tests. */
export function isTestFile(path: string): boolean {
  return path.endsWith('.test.ts') || path.includes('/test/')
}

/** Every import and re-export of a file, types and dynamic ones included. */
export function importsOf(text: string): readonly Import[] {
  const code = text.replace(/^\s*\/\/.*$/gm, '').replace(/^\s*\/\*[\s\S]*?\*\//gm, '')
  const named = code.matchAll(/^[ \t]*(?:import|export)\b[^'"`()=]*?\bfrom\s*(['"])([^'"]+)\1/gm)
  const bare = code.matchAll(/^[ \t]*import\s*(['"])([^'"]+)\1/gm)
  const dynamic = code.matchAll(/\bimport\(\s*(?:(['"])([^'"]+)\1\s*[,)])?/g)
  return [...named, ...bare, ...dynamic].map((match) => ({
    specifier: match[2] ?? match[0],
    literal: match[2] !== undefined,
  }))
}
