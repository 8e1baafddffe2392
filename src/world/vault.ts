/** Secrets as a seam: how they are kept on a disk, and where they are read that are kept elsewhere. */
import type { CredentialReference } from '../contract/credential.ts'

export interface Vault {
  /**
   * The text for the disk. It opens for the same `place` only, so that one who can write to the disk cannot put a secret
   * where it would be shown to somebody else.
   * @throws LonghaulError when there is no key to be had; nothing is sealed then
   */
  seal(text: string, place: string): Promise<string>
  /**
   * @throws LonghaulError USER_AUTHENTICATION_REQUIRED when it will never open: the key is another one or gone, or the text was changed.
   *   Another one when the key cannot be read, which passes by itself where that is `retryable`
   */
  open(sealed: string, place: string): Promise<string>
  /**
   * The secret as it is now, without a line break at its end.
   * @throws LonghaulError that names the place and nothing in it; `retryable: true` where it cannot be read just now
   */
  read(reference: CredentialReference): Promise<string>
}
