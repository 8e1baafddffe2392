/** Who we are to a server: what a user gives to `setCredential`, which crosses the socket as it is and is stored sealed. */

/**
 * A secret that is kept elsewhere and read when it is needed. `env` is a variable in the daemon's environment (`daemon.env` at
 * its start), `file` the absolute path of a file that holds nothing else.
 */
export interface SecretReference {
  readonly from: 'env' | 'file'
  readonly name: string
}

/** Serves one origin: user and password answer Digest and Basic challenges; `bearer` goes with every request to the origin. */
export type Credential =
  | { readonly user: string; readonly password: string | SecretReference }
  | { readonly bearer: string | SecretReference }

/** With its secret read. */
export type KnownCredential = { readonly user: string; readonly password: string } | { readonly bearer: string }
