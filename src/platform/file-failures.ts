/** What the system said, sorted into the causes of {@link FileFailure}. Pure. */
import { FileFailure, type FileFailureCause } from '../world/file-system.ts'

const causes: Readonly<Record<string, FileFailureCause>> = {
  ENOENT: 'not found',
  EEXIST: 'exists',
  ENOTEMPTY: 'exists',
  EISDIR: 'is a folder',
  ENOTDIR: 'not a folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'read only',
  ENOSPC: 'no space',
  EDQUOT: 'no space',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  ENAMETOOLONG: 'name too long',
  EXDEV: 'other device',
  ENOTSUP: 'not supported',
  EOPNOTSUPP: 'not supported',
  ENOSYS: 'not supported',
  EINVAL: 'not supported',
  EFBIG: 'not supported',
  ENXIO: 'not supported',
  ELOOP: 'link',
  EBUSY: 'busy',
  ETXTBSY: 'busy',
}

/** @param special what a code means for this one operation */
export function fileFailure(
  error: unknown,
  path: string,
  special: Readonly<Record<string, FileFailureCause>> = {},
): FileFailure {
  if (error instanceof FileFailure) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return new FileFailure(special[code] ?? causes[code] ?? 'input/output', path, { cause: error })
}
