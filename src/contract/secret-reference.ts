/** Where a secret lies. The reference is what is stored and shown; the secret itself is read by the daemon at each use. */

export interface SecretReference {
  /** A file that only its owner may read. Other places are not in this version. */
  readonly from: 'file'
  /** The absolute path: the daemon has a working directory of its own. */
  readonly name: string
}

/** Places that the contract names and that a later version will read. */
export const laterPlaces: readonly string[] = ['keyring', 'env', 'command', 'netrc']

/** A certificate that is shown to servers which ask for one: PEM, the own certificate first, then those above it. */
export interface ClientCertificate extends SecretReference {
  /** Its private key, PEM. @default it stands in the same file */
  readonly key?: SecretReference | undefined
  /** Of an encrypted key: the first line of the file. */
  readonly passphrase?: SecretReference | undefined
}
