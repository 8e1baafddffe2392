import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { createVault } from '../../src/platform/vault.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { race } from './race.ts'

const execute = promisify(execFile)

test('what is sealed opens again, in a later life too, and shows nothing of the text', async () => {
  const key = join(await temporaryFolder(), 'home', 'vault.key')
  const sealed = await createVault(key, {}).seal('Circle of Life ✓', 'here')
  assert.equal(await createVault(key, {}).open(sealed, 'here'), 'Circle of Life ✓')
  assert.doesNotMatch(Buffer.from(sealed, 'base64url').toString('latin1') + sealed, /Circle/)
  assert.notEqual(await createVault(key, {}).seal('Circle of Life ✓', 'here'), sealed)
})

test('the key has 32 bytes and mode 0600, and no draft stays', { skip: needs('posix') }, async () => {
  const home = await temporaryFolder()
  await createVault(join(home, 'vault.key'), {}).seal('', '')
  const { mode, size } = await stat(join(home, 'vault.key'))
  assert.deepEqual([mode & 0o777, size], [0o600, 32])
  assert.deepEqual(await readdir(home), ['vault.key'])
})

test('vaults of several processes that begin at once share one key', async () => {
  const key = join(await temporaryFolder(), 'vault.key')
  const all = await race(
    5,
    `import { createVault } from '#platform/vault.ts'
    await go
    console.log(await createVault(${JSON.stringify(key)}, {}).seal('text', 'place'))`,
  )
  for (const sealed of all) assert.equal(await createVault(key, {}).open(sealed, 'place'), 'text')
})

test('what was sealed for another place, changed, or sealed with another key does not open', async () => {
  const key = join(await temporaryFolder(), 'vault.key')
  const sealed = await createVault(key, {}).seal('text', 'place')
  const refused = async (text: string, place: string, why: RegExp): Promise<void> => {
    await assert.rejects(
      createVault(key, {}).open(text, place),
      (error) => isLonghaulError(error, 'USER_AUTHENTICATION_REQUIRED') && why.test(error.message),
    )
  }
  await refused(sealed, 'elsewhere', /was changed/)
  const middle = sealed.length >> 1
  await refused(
    sealed.slice(0, middle) + (sealed[middle] === 'A' ? 'B' : 'A') + sealed.slice(middle + 1),
    'place',
    /was changed/,
  )
  await refused('1AAAA', 'place', /not of a form/)
  await refused(`2${sealed.slice(1)}`, 'place', /not of a form/)
  await rm(key)
  await refused(sealed, 'place', /is gone/)
  await createVault(key, {}).seal('other', 'place')
  await refused(sealed, 'place', /another one/)
})

test('a key file that others can read is refused and left alone', { skip: needs('posix') }, async () => {
  const key = join(await temporaryFolder(), 'vault.key')
  await createVault(key, {}).seal('text', 'place')
  const before = await readFile(key)
  await chmod(key, 0o644)
  await assert.rejects(
    createVault(key, {}).seal('text', 'place'),
    (error) => isLonghaulError(error, 'NO_PERMISSIONS_TO_READ_FILE') && /mode 644/.test(error.message),
  )
  assert.deepEqual(await readFile(key), before)
})

test(
  'while no file can be opened, the key file is one that may be read later, and none that has to be mended',
  { skip: needs('linux', 'prlimit') },
  async () => {
    const key = join(await temporaryFolder(), 'vault.key')
    await createVault(key, {}).seal('text', 'place')
    const [told] = await race(
      1,
      `import { execFileSync } from 'node:child_process'
      import { createVault } from '#platform/vault.ts'
      await go
      execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=3:'])
      const { code, retryable } = await createVault(${JSON.stringify(key)}, {}).open('sealed', 'place').catch((error) => error)
      console.log(code, retryable)`,
    )
    assert.equal(told, 'NO_PERMISSIONS_TO_READ_FILE true')
  },
)

test('a reference is read anew each time, without the line break at its end', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'token')
  const vault = createVault(join(folder, 'vault.key'), { TOKEN: 'from the environment' })
  await writeFile(path, 'one\n', { mode: 0o600 })
  assert.equal(await vault.read({ from: 'file', name: path }), 'one')
  await writeFile(path, 'two\r\n')
  assert.equal(await vault.read({ from: 'file', name: path }), 'two')
  assert.equal(await vault.read({ from: 'env', name: 'TOKEN' }), 'from the environment')
})

test(
  'a reference that leads to nothing, to a folder, or to what others can read is refused by its name',
  { skip: needs('posix') },
  async () => {
    const folder = await temporaryFolder()
    const vault = createVault(join(folder, 'vault.key'), {})
    const refused = async (reference: Parameters<typeof vault.read>[0], why: RegExp): Promise<void> => {
      await assert.rejects(
        vault.read(reference),
        (error) => isLonghaulError(error, 'USER_AUTHENTICATION_REQUIRED') && why.test(error.message),
      )
    }
    const path = join(folder, 'token')
    await refused({ from: 'env', name: 'TOKEN' }, /The variable TOKEN .* is not in the daemon's environment/)
    await refused({ from: 'file', name: path }, /ENOENT/)
    await refused({ from: 'file', name: folder }, /is not a file/)
    await writeFile(path, 'secret', { mode: 0o644 })
    await refused({ from: 'file', name: path }, /others may read/)
  },
)

test(
  'neither a reference nor what is sealed is given up because too many files are open',
  { skip: needs('posix') },
  async () => {
    const folder = await temporaryFolder()
    const [token, keyPath] = [join(folder, 'token'), join(folder, 'vault.key')]
    await writeFile(token, 'secret', { mode: 0o600 })
    const sealed = await createVault(keyPath, {}).seal('text', 'here')
    const script = `
      import { openSync, closeSync } from 'node:fs'
      import { createVault } from ${JSON.stringify(new URL('../../src/platform/vault.ts', import.meta.url).href)}
      const vault = createVault(${JSON.stringify(keyPath)}, {})
      const held = []
      try { for (;;) held.push(openSync('/dev/null')) } catch {}
      const uses = [() => vault.read({ from: 'file', name: ${JSON.stringify(token)} }), () => vault.open(${JSON.stringify(sealed)}, 'here')]
      const ends = []
      for (const use of uses) ends.push(await use().then(() => 'read', (error) => error.retryable))
      held.forEach(closeSync)
      for (const use of uses) ends.push(await use())
      process.stdout.write(JSON.stringify(ends))`
    const { stdout } = await execute('sh', [
      '-c',
      'ulimit -n 64 && exec "$0" "$@"',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ])
    assert.deepEqual(JSON.parse(stdout), [true, true, 'secret', 'text'])
  },
)
