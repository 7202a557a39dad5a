import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { promisify } from 'node:util'
import { startObjectStorage } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import { collect, limits, openBucket, PART, streamOf } from './storages.ts'

/** A certificate for this machine that signs itself, and its key. */
async function drawCertificate(): Promise<{ cert: string; key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-tls-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name)) as [string, string]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert])
  return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') }
}

test('a private authority is trusted where it is given, and an unknown one is named', async () => {
  const server = await startObjectStorage()
  onTestFinished(() => server.stop())
  const certificate = await drawCertificate()
  const front = createServer(certificate, (socket) => {
    const onward = connect(server.port, '127.0.0.1')
    socket.pipe(onward).pipe(socket)
    for (const end of [socket, onward]) end.on('error', () => [socket, onward].forEach((each) => each.destroy()))
  }).listen(0, '127.0.0.1')
  await once(front, 'listening')
  onTestFinished(() => void front.close())
  const endpoint = `https://127.0.0.1:${(front.address() as AddressInfo).port}`
  const data = Buffer.alloc(PART + 10, 'tls')
  const trusting = openBucket(server, { endpoint, ca: certificate.cert })
  await trusting.put('a', streamOf(data), limits())
  expect((await collect(trusting.get('a', limits()))).equals(data)).toBe(true)
  trusting.close()
  const error = await openBucket(server, { endpoint, tries: 2 })
    .head('a', limits())
    .catch((caught: unknown) => caught)
  expect(error).toMatchObject({ fault: 'Unreachable', remedy: expect.stringContaining('CA') })
})
