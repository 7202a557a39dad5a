import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A certificate that has signed itself, and its key: the files, and what is in them. */
export type SelfSigned = {
  readonly files: readonly [certificate: string, key: string]
  readonly certificate: string
  readonly key: string
}

/** Makes one for a name, valid for a day, in a folder that is there. */
export async function selfSigned(folder: string, name: string): Promise<SelfSigned> {
  const files = [join(folder, `${name}.crt`), join(folder, `${name}.key`)] as const
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  await promisify(execFile)('openssl', ['req', '-x509', ...curve, ...names, '-out', files[0], '-keyout', files[1]])
  const [certificate, key] = await Promise.all([readFile(files[0], 'utf8'), readFile(files[1], 'utf8')])
  return { files, certificate, key }
}
