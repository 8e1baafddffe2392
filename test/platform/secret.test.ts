import assert from 'node:assert/strict'
import { chmod, chown, readdir, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { userSecret } from '../../src/platform/secret.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { race } from './race.ts'

test('the secret has 32 bytes, mode 0600, and stays', { skip: needs('posix') }, async () => {
  const home = join(await temporaryFolder(), 'home')
  const first = await userSecret(home)
  assert.equal(first.length, 32)
  assert.deepEqual(await userSecret(home), first)
  assert.equal((await stat(join(home, 'secret'))).mode & 0o777, 0o600)
  assert.equal((await stat(home)).mode & 0o777, 0o700)
})

test('processes that make the secret at the same time all get the same one, and leave no drafts', async () => {
  const home = await temporaryFolder()
  const secrets = await race(
    10,
    `import { userSecret } from '#platform/secret.ts'
    await go
    console.log(Buffer.from(await userSecret(${JSON.stringify(home)})).toString('hex'))`,
  )
  assert.equal(new Set(secrets).size, 1)
  assert.match(secrets[0]!, /^[0-9a-f]{64}$/)
  assert.deepEqual(await readdir(home), ['secret'])
})

test(
  'a secret that others can read, that is theirs, damaged, or no file is refused and left alone',
  { skip: needs('posix', 'root') },
  async () => {
    const home = await temporaryFolder()
    const path = join(home, 'secret')
    const refused = async (what: RegExp): Promise<void> => {
      await assert.rejects(
        userSecret(home),
        (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && !why.retryable && what.test(why.message),
      )
    }
    await userSecret(home)
    await chmod(path, 0o640)
    await refused(/mode 640/)
    await chmod(path, 0o600)
    await chown(path, 65534, 65534)
    await refused(/user 65534/)
    await chown(path, 0, 0)
    await writeFile(path, 'short')
    await refused(/5 bytes, not 32/)
    await unlink(path)
    await writeFile(join(home, 'elsewhere'), Buffer.alloc(32), { mode: 0o600 })
    await symlink('elsewhere', path)
    await refused(/symbolic link/)
  },
)
