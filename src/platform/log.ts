/** The real {@link Log}: pino's lines of JSON into a file of limited size. */
import { join } from 'node:path'
import { pino, type Logger } from 'pino'
import { isLonghaulError } from '../contract/errors.ts'
import type { Log } from '../world/log.ts'
import { RotatingFile, type RotatingFileOptions } from './rotating-file.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface FileLogOptions extends RotatingFileOptions {
  /** Folder of the log files, which exists. */
  readonly folder: string
  /** @default 'daemon' */
  readonly name?: string
  /** @default 'info' */
  readonly level?: LogLevel
}

export interface FileLog extends Log {
  readonly path: string
  close(): void
}

/** Opens the file with the first line; each line is in the file when the call returns. */
export function createFileLog(options: FileLogOptions): FileLog {
  const path = join(options.folder, `${options.name ?? 'daemon'}.log`)
  const file = new RotatingFile(path, options)
  const logger: Logger = pino(
    {
      level: options.level ?? 'info',
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: errorFields, reason: errorFields },
    },
    { write: (line: string) => file.write(line) },
  )
  return {
    path,
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    close: () => file.close(),
  }
}

function errorFields(error: unknown): unknown {
  if (isLonghaulError(error)) return { ...error.toJSON(), stack: error.stack }
  return error instanceof Error ? pino.stdSerializers.errWithCause(error) : error
}
