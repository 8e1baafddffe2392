// The published form: plain JavaScript and declarations in dist/, by tsc alone. The old dist is removed first, so that no
// file of yesterday's source is published.
import { rmSync } from 'node:fs'
import { succeeds } from './run.ts'

rmSync('dist', { recursive: true, force: true })
if (!succeeds('tsc', ['-p', 'tsconfig.build.json'])) process.exitCode = 1
