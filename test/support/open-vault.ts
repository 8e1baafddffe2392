// A vault without a lock, for houses whose secrets are none: the text stands in what it seals, with the place where it belongs.
import { LonghaulError } from '../../src/contract/errors.ts'
import type { Vault } from '../../src/world/vault.ts'

export const openVault: Vault = {
  seal: (text, place) => Promise.resolve(JSON.stringify([place, text])),
  open: (sealed, place) => {
    const [sealedFor, text] = JSON.parse(sealed) as readonly [string, string]
    return sealedFor === place
      ? Promise.resolve(text)
      : Promise.reject(new LonghaulError('USER_AUTHENTICATION_REQUIRED', `sealed for ${sealedFor}, not for ${place}`))
  },
  read: ({ name }) => Promise.resolve(`secret of ${name}`),
}
