// The published form, in dist/.
import { buildPackage } from './build-package.ts'

if (!buildPackage('dist')) process.exitCode = 1
