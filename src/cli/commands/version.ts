import { protocolVersions } from '../../contract/verbs.ts'
import { packageVersion } from '../../platform/package-version.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

export const version: Command = {
  name: 'version',
  usage: '',
  summary: 'the version of this program, its protocol and its Node',
  flags: [],
  run: (_input, context) => {
    const facts = { version: packageVersion(), protocol: protocolVersions[0], node: process.versions.node }
    context.out(
      context.json
        ? `${JSON.stringify(facts)}\n`
        : `longhaul ${facts.version}, protocol ${facts.protocol}, Node ${facts.node}\n`,
    )
    return Promise.resolve(exitCodes.done)
  },
}
