// The twin of the file system does what the real one does (the suite), and forgets at a power cut what was not synced.
import { fileSystemSuite } from '../suites/file-system.ts'
import { Disk } from './disk.ts'
import { settleOn } from './drive.ts'
import { Life } from './life.ts'
import { Seeded } from './seeded.ts'
import { Timeline } from './timeline.ts'

fileSystemSuite('of the simulation', () => {
  const timeline = new Timeline()
  const random = new Seeded('suite')
  const disk = new Disk({ random, timeline, faults: [] })
  const life = new Life({ name: 'daemon', timeline, random, steadyLeadMs: 0, wall: () => timeline.now })
  disk.makeFolder('/home')
  return Promise.resolve({
    files: disk.fileSystem(life),
    home: '/home',
    write: (path, text) => disk.put(path, Buffer.from(text), { how: 'in place' }),
    read: (path) => {
      const bytes = disk.read(path)
      return bytes === undefined ? undefined : Buffer.from(bytes).toString()
    },
    makeFolder: (path) => void disk.makeFolder(path),
    remove: (path) => disk.remove(path),
    settle: (work) => settleOn(timeline, work),
  })
})
