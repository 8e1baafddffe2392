/** Who we are to a server: what a user gives to `setCredential`, which crosses the socket as it is and is stored sealed. */
import type { SecretReference } from './secret-reference.ts'

/** A variable of the daemon's environment (`daemon.env` at its start), or a file that holds nothing but the secret. */
export type CredentialReference = SecretReference | { readonly from: 'env'; readonly name: string }

/** Serves one origin: user and password answer Digest and Basic challenges; `bearer` goes with every request to the origin. */
export type Credential =
  | { readonly user: string; readonly password: string | CredentialReference }
  | { readonly bearer: string | CredentialReference }

/** With its secret read. */
export type KnownCredential = { readonly user: string; readonly password: string } | { readonly bearer: string }
