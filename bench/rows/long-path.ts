/** A file from far away, where one connection cannot fill the line. */
import { aria2Gets, curlGets, longhaulGets, type OneFile } from '../one-file.ts'
import { LongPath } from '../long-path.ts'
import { Longhaul, warmUp } from '../longhaul.ts'
import { race } from '../race.ts'
import type { Result, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const options = { roundTripMs: 75, mbit: 1000, queueKiB: 4096 }

export const longPath: Row = {
  name: 'long-path',
  what: '256 MiB over 75 ms and 1 Gbit/s, durable, four segments',
  needs: ['root', 'nginx', 'curl', 'aria2c', 'ip', 'tc', 'sysctl'],
  run: runLongPath,
}

async function runLongPath(stage: Stage): Promise<Result> {
  const path = await LongPath.open(stage, options)
  const server = await stage.server('http', { address: path.serverAddress, prefix: path.server })
  const payload = stage.payload('far.bin', stage.scaled(256 * 2 ** 20))
  const little = stage.payload('little.bin', 4096)
  const longhaul = await Longhaul.start(stage, 'longhaul', { prefix: path.client })
  const file: OneFile = { stage, server, payload, prefix: path.client }
  const { authority } = server
  await warmUp(longhaul, { url: server.url(little.name), payload: little, name: 'warm-up', authority }, stage)
  return race(
    {
      contenders: [
        longhaulGets(file, { longhaul, name: 'longhaul', flags: ['--segments', '4'] }),
        curlGets(file),
        aria2Gets(file),
      ],
      comparisons: [
        { of: 'wall', against: 'curl', bound: { must: 0.55, aim: 0.48 } },
        { of: 'wall', against: 'aria2 -x4', bound: { must: 0.95, aim: 0.87 } },
        { of: 'cpu', against: 'curl' },
      ],
      notes: [`the path: ${path.made}, ${options.queueKiB / 1024} MiB of queue`, stage.fileSystem],
    },
    stage,
  )
}
