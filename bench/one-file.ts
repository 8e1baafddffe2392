/** Contenders for one file: Longhaul, Longhaul without syncs, and the tools that people use. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Longhaul } from './longhaul.ts'
import type { Sample } from './measure.ts'
import type { Contender } from './race.ts'
import type { Server } from './servers.ts'
import type { Payload, Stage } from './stage.ts'

export interface OneFile {
  readonly stage: Stage
  readonly server: Server
  readonly payload: Payload
  /** What each command is started by. @default nothing */
  readonly prefix?: readonly string[]
}

/** @param name also that of its files */
export function longhaulGets(
  file: OneFile,
  { longhaul, name, flags }: { readonly longhaul: Longhaul; readonly name: string; readonly flags: readonly string[] },
): Contender {
  const { server, payload } = file
  const url = server.url(payload.name)
  const trust = url.startsWith('https:') ? ['--ca', server.authority] : []
  return contender(file, {
    name,
    command: `longhaul get URL -o FILE -q ${flags.join(' ')}`,
    run: (to) => longhaul.get(url, to, [...flags, ...trust]),
  })
}

export function curlGets(file: OneFile): Contender {
  return contender(file, {
    name: 'curl',
    command: 'curl -s -o FILE URL',
    run: (to) => runs(file, ['curl', '-s', '-f', ...curlTrust(file), '-o', to, file.server.url(file.payload.name)]),
  })
}

/** Everything that Longhaul promises of a verified file, done with curl. */
export function curlVerifies(file: OneFile): Contender {
  const script = 'curl -s -f "$@" && openssl dgst -sha256 "$FILE" | grep -q "$DIGEST" && sync "$FILE"'
  return contender(file, {
    name: 'curl; openssl; sync',
    command: 'curl -s -o FILE URL; openssl dgst -sha256 FILE; sync FILE',
    run: (to) => {
      const words = [...curlTrust(file), '-o', to, file.server.url(file.payload.name)]
      const env = { ...process.env, FILE: to, DIGEST: file.payload.sha256 }
      return file.stage.run([...(file.prefix ?? []), 'sh', '-c', script, 'sh', ...words], { env })
    },
  })
}

export function aria2Gets(
  file: OneFile,
  options: { readonly verified?: 'sha-256'; readonly place?: 'memory' } = {},
): Contender {
  const { server, payload } = file
  const url = server.url(payload.name)
  const check = options.verified === undefined ? [] : [`--checksum=sha-256=${payload.sha256}`]
  const trust = url.startsWith('https:') ? [`--ca-certificate=${server.authority}`] : []
  const fixed = ['aria2c', '-q', '--no-conf', '--file-allocation=none', '-x4', '-s4', '-k1M']
  const place = options.place === 'memory' ? file.stage.memory : file.stage.folder
  return contender(
    file,
    {
      name: `aria2 -x4${check.length > 0 ? ' --checksum' : ''}`,
      command: `${fixed.join(' ')}${check.length > 0 ? ' --checksum=sha-256=HEX' : ''} -d DIR -o FILE URL`,
      run: (to) => {
        const name = to.slice(place.length + 1)
        return runs(file, [...fixed, ...check, ...trust, '-d', place, '-o', name, url])
      },
    },
    place,
  )
}

/**
 * Not a peer but a floor: Node without anything of ours.
 * @param threads that read and write
 */
export function bareLoop(file: OneFile, options: { readonly verified?: boolean; readonly threads: 1 | 2 }): Contender {
  const { server, payload, stage } = file
  const { verified = false, threads } = options
  return contender(file, {
    name: `bare loop, ${threads === 1 ? 'one thread' : 'two threads'}`,
    command: `node bare-loop.ts, four connections, fdatasync each 64 MiB${verified ? ', hashed by one thread more' : ''}`,
    run: (to) => {
      const parameter = {
        url: server.url(payload.name),
        to,
        bytes: payload.size,
        authority: server.authority,
        connections: 4,
        threads,
        ...(verified && { sha256: payload.sha256 }),
      }
      return runs(file, [process.execPath, stage.published.program('bare-loop.ts'), JSON.stringify(parameter)])
    },
  })
}

/** Not a peer but a floor: as many bytes put onto the disk, and synced, by a program that does nothing else. */
export function diskAlone(file: OneFile): Contender {
  const { stage, payload } = file
  const to = join(stage.folder, `disk-alone-${payload.name}`)
  const mebibytes = Math.ceil(payload.size / 2 ** 20)
  return {
    name: 'the disk alone',
    command: 'dd if=/dev/zero of=FILE bs=1M count=MEBIBYTES conv=fdatasync',
    run: () =>
      runs(file, ['dd', 'if=/dev/zero', `of=${to}`, 'bs=1M', `count=${mebibytes}`, 'conv=fdatasync', 'status=none']),
    check: async () => rmSync(to),
  }
}

interface Way {
  readonly name: string
  readonly command: string
  readonly run: (to: string) => Promise<Sample>
}

function contender({ stage, payload }: OneFile, { name, command, run }: Way, place: string = stage.folder): Contender {
  const file = (round: number): string => join(place, `${name.replaceAll(/\W+/g, '-')}-${payload.name}-${round}`)
  return {
    name,
    command,
    run: (round) => run(file(round)),
    check: async (round) => {
      await stage.check(file(round), payload)
      rmSync(file(round))
    },
  }
}

function curlTrust({ server, payload }: OneFile): readonly string[] {
  return server.url(payload.name).startsWith('https:') ? ['--cacert', server.authority] : []
}

function runs({ stage, prefix = [] }: OneFile, argv: readonly string[]): Promise<Sample> {
  return stage.run([...prefix, ...argv])
}
