import assert from 'node:assert/strict'
import { chmod, chown, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import {
  homeFolder,
  homePaths,
  networkFileSystem,
  networkMount,
  prepareHome,
  requireEntry,
  socketPlaces,
} from '../../src/platform/paths.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('the home is what is named, else LONGHAUL_HOME, else the folder of the platform', () => {
  const linux = { platform: 'linux', homeFolder: '/home/u' } as const
  assert.equal(homeFolder('/x/y', { ...linux, env: { LONGHAUL_HOME: '/z' } }), '/x/y')
  assert.equal(homeFolder(undefined, { ...linux, env: { LONGHAUL_HOME: '/z', XDG_STATE_HOME: '/s' } }), '/z')
  assert.equal(homeFolder(undefined, { ...linux, env: { LONGHAUL_HOME: '', XDG_STATE_HOME: '/s' } }), '/s/longhaul')
  assert.equal(
    homeFolder(undefined, { ...linux, env: { XDG_STATE_HOME: 'relative' } }),
    '/home/u/.local/state/longhaul',
  )
  assert.equal(
    homeFolder(undefined, { platform: 'darwin', homeFolder: '/Users/u', env: {} }),
    '/Users/u/Library/Application Support/longhaul',
  )
})

test('a relative home becomes absolute, so that a daemon with cwd / means the same', () => {
  assert.equal(homeFolder('some/where', { env: {} }), join(process.cwd(), 'some/where'))
})

test(
  'the socket lies in the runtime folder if that is ours, else in the home, else in the temp folder',
  { skip: needs('posix', 'root') },
  async () => {
    const runtime = await temporaryFolder()
    const uid = process.getuid!()
    const own = socketPlaces('/h', { env: { XDG_RUNTIME_DIR: runtime }, uid })[0]!
    assert.match(own, new RegExp(`^${runtime}/longhaul/[0-9a-f]{12}\\.sock$`))
    await chown(runtime, 65534, 65534)
    assert.equal(socketPlaces('/h', { env: { XDG_RUNTIME_DIR: runtime }, uid })[0], '/h/run/daemon.sock')
    assert.equal(socketPlaces('/h', { env: { XDG_RUNTIME_DIR: '/does/not/exist' }, uid })[0], '/h/run/daemon.sock')
    assert.equal(socketPlaces('/h', { env: { XDG_RUNTIME_DIR: 'relative' }, uid })[0], '/h/run/daemon.sock')
    const long = `/${'h'.repeat(100)}`
    assert.match(
      socketPlaces(long, { env: {}, uid: 7, tempFolder: '/tmp' })[0]!,
      /^\/tmp\/longhaul-7\/[0-9a-f]{12}\.sock$/,
    )
    assert.match(socketPlaces('C:\\h', { platform: 'win32', env: {} })[0]!, /^\\\\\.\\pipe\\longhaul-[0-9a-f]{12}$/)
  },
)

test('two homes never share a socket', async () => {
  const runtime = await temporaryFolder()
  const places = ['/a', '/b', '/a/longhaul'].map((home) => socketPlaces(home, { env: { XDG_RUNTIME_DIR: runtime } })[0])
  assert.equal(new Set(places).size, 3)
})

test('a home is made with all its folders for this user alone', { skip: needs('posix') }, async () => {
  const home = join(await temporaryFolder(), 'deep', 'home')
  const paths = await prepareHome(home)
  assert.deepEqual(paths, homePaths(home))
  for (const folder of [home, paths.log, paths.spool, paths.run]) assert.equal((await stat(folder)).mode & 0o777, 0o700)
  await prepareHome(home)
})

test(
  'a home that others can write to, or that is another user’s, is refused with what to do',
  { skip: needs('posix', 'root') },
  async () => {
    const home = join(await temporaryFolder(), 'home')
    await mkdir(home)
    await chmod(home, 0o775)
    await assert.rejects(
      prepareHome(home),
      (why) => isLonghaulError(why, 'INVALID_ARGUMENT') && /775/.test(why.message) && /chmod 700/.test(why.hint),
    )
    await chmod(home, 0o755)
    await prepareHome(home)
    await chown(home, 65534, 65534)
    await assert.rejects(
      prepareHome(home),
      (why) => isLonghaulError(why, 'INVALID_ARGUMENT') && /65534/.test(why.message),
    )
  },
)

test('a home that is a file, or lies under one, is told as such', { skip: needs('posix') }, async () => {
  const folder = await temporaryFolder()
  for (const mode of [0o644, 0o755]) {
    const file = join(folder, mode.toString(8))
    await writeFile(file, '', { mode })
    for (const home of [file, join(file, 'home')])
      assert.throws(
        () => requireEntry(home),
        (why) =>
          isLonghaulError(why, 'CANNOT_CREATE_FILE') &&
          why.message.startsWith(`The home ${home} could not be made: ${file} is not a folder.`) &&
          why.hint.startsWith('Set LONGHAUL_HOME'),
        home,
      )
  }
  requireEntry(join(folder, 'not', 'there'))
})

test('a home that cannot be made says why', { skip: needs('posix') }, async () => {
  await assert.rejects(
    prepareHome('/proc/longhaul'),
    (why) => isLonghaulError(why, 'CANNOT_CREATE_FILE') && /LONGHAUL_HOME/.test(why.hint),
  )
})

test(
  'network file systems are told by their number, FUSE ones by the program that serves them',
  { skip: needs('linux') },
  async () => {
    assert.equal(await networkFileSystem('/x', 0x6969), 'NFS')
    assert.equal(await networkFileSystem('/x', 0xff534d42), 'CIFS')
    assert.equal(await networkFileSystem('/x', 0xff534d42 | 0), 'CIFS', 'also as a negative number')
    assert.equal(await networkFileSystem('/x', 0xef53), undefined, 'ext4')
    assert.equal(await networkFileSystem(await temporaryFolder()), undefined)
    const mounts = [
      '21 1 0:19 / / rw - ext4 /dev/vda rw',
      '36 21 0:33 / /mnt/my\\040files rw,nosuid - fuse.sshfs host:/ rw',
      '37 21 0:34 / /mnt/disk rw - fuseblk /dev/sdb1 rw',
      '38 36 0:35 / /mnt/my\\040files/local rw - ext4 /dev/sdc rw',
      '39 21 0:36 / /mnt/cloud rw shared:5 - fuse.rclone remote: rw',
    ].join('\n')
    assert.equal(networkMount(mounts, '/mnt/my files/longhaul'), 'fuse.sshfs')
    assert.equal(networkMount(mounts, '/mnt/my files/local/longhaul'), undefined)
    assert.equal(networkMount(mounts, '/mnt/my files-no'), undefined)
    assert.equal(networkMount(mounts, '/mnt/disk'), undefined)
    assert.equal(networkMount(mounts, '/mnt/cloud'), 'fuse.rclone')
  },
)
