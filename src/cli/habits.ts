/**
 * Habits of curl, wget and aria2: what people type before they have read any help. Either it works, or they are told the
 * right flag. Tables only; `arguments.ts` applies them, where the command does not know the flag itself.
 */

/** Accepted quietly: what it asks for is how Longhaul works anyway. */
export const already: ReadonlyMap<string, string> = new Map([
  ['-L', 'redirects are followed'],
  ['--location', 'redirects are followed'],
  ['-f', 'another status than 2xx is an error'],
  ['--fail', 'another status than 2xx is an error'],
  ['-S', 'errors are always shown'],
  ['--show-error', 'errors are always shown'],
  ['-c', 'running again goes on'],
  ['--continue', 'running again goes on'],
  ['-J', "the server's name is used"],
  ['--remote-header-name', "the server's name is used"],
  ['--content-disposition', "the server's name is used"],
  ['--create-dirs', 'missing folders are made'],
  ['-Z', 'files are fetched at the same time'],
  ['--parallel', 'files are fetched at the same time'],
  ['--auto-file-renaming=false', 'files are never renamed by themselves'],
  ['--retry-connrefused', 'that is tried again'],
  ['--retry-all-errors', 'what can pass is tried again'],
])

/** Accepted quietly together with its value. */
export const alreadyWithValue: ReadonlyMap<string, string> = new Map([
  ['-Y', 'any byte counts as progress'],
  ['--speed-limit', 'any byte counts as progress'],
  ['--retry-delay', 'the pause between tries grows by itself'],
  ['--waitretry', 'the pause between tries grows by itself'],
  ['--min-split-size', 'the size of a piece follows from the file'],
])

/** Other tools' spellings of flags that exist. */
export const spellings: ReadonlyMap<string, string> = new Map([
  ['-P', '--directory'],
  ['--directory-prefix', '--directory'],
  ['--output-dir', '--directory'],
  ['--dir', '--directory'],
  ['--output-document', '--output'],
  ['--out', '--output'],
  ['--input-file', '--input'],
  ['-A', '--user-agent'],
  ['-U', '--user-agent'],
  ['-e', '--referer'],
  ['--checksum', '--digest'],
  ['--cacert', '--ca'],
  ['--ca-certificate', '--ca'],
  ['-E', '--cert'],
  ['--certificate', '--cert'],
  ['--private-key', '--key'],
  ['--pinnedpubkey', '--pin'],
  ['-x', '--proxy'],
  ['--all-proxy', '--proxy'],
  ['--https-proxy', '--proxy'],
  ['--http-proxy', '--proxy'],
  ['--noproxy', '--proxy-bypass'],
  ['-s', '--quiet'],
  ['--silent', '--quiet'],
  ['-nc', '--skip-existing'],
  ['--no-clobber', '--skip-existing'],
  ['-t', '--max-attempts'],
  ['--tries', '--max-attempts'],
  ['--max-tries', '--max-attempts'],
  ['--retry', '--max-attempts'],
  ['--limit', '--limit-rate'],
  ['--max-download-limit', '--limit-rate'],
  ['--split', '--segments'],
  ['--max-connection-per-server', '--segments'],
  ['-T', '--stall'],
  ['-y', '--stall'],
  ['--speed-time', '--stall'],
  ['--read-timeout', '--stall'],
  ['--timeout', '--stall'],
  ['-m', '--deadline'],
  ['--max-time', '--deadline'],
])

/** Of these spellings the value is a bare number of seconds. */
export const inSeconds: ReadonlySet<string> = new Set([
  '-T',
  '-y',
  '--speed-time',
  '--read-timeout',
  '--timeout',
  '-m',
  '--max-time',
])

const crawler = 'Longhaul fetches the files that you name; it is not a crawler. wget does that.'
const curl = 'Small requests are a job for curl.'
const limits = 'longhaul daemon limit RATE limits all transfers together; get --limit-rate RATE one of them.'
const uploads = 'Uploads are not in this version; curl -T does that.'

/** Understood, not done here: the message names what does it. */
export const elsewhere: ReadonlyMap<string, string> = new Map([
  ['-k', 'Certificate checks stay on; add your own authority with --ca FILE.'],
  ['--insecure', 'Certificate checks stay on; add your own authority with --ca FILE.'],
  ['--no-check-certificate', 'Certificate checks stay on; add your own authority with --ca FILE.'],
  ['--pass', 'A passphrase in a command stays in your shell history; name a file with it: --key-passphrase FILE.'],
  ['-I', 'To look at the headers only is a job for curl -I.'],
  ['--head', 'To look at the headers only is a job for curl -I.'],
  ['-w', 'Use --json: every field is in it.'],
  ['--write-out', 'Use --json: every field is in it.'],
  ['-X', `Longhaul fetches with GET. ${curl}`],
  ['--request', `Longhaul fetches with GET. ${curl}`],
  ['--data', curl],
  ['--range', `Longhaul fetches whole files. ${curl}`],
  ['-r', crawler],
  ['--recursive', crawler],
  ['--mirror', crawler],
  ['--max-overall-download-limit', limits],
  ['-j', 'The daemon decides how many files are fetched at once; leave it out.'],
  ['--max-concurrent-downloads', 'The daemon decides how many files are fetched at once; leave it out.'],
  ['--no-proxy', 'Write --proxy none; or --proxy URL --proxy-bypass LIST.'],
  ['--proxy-user', 'User and password stand in the address: --proxy http://USER:PASSWORD@HOST:PORT.'],
  ['--socks5', 'Write --proxy socks5://HOST:PORT; the proxy looks names up.'],
  ['--socks5-hostname', 'Write --proxy socks5://HOST:PORT; the proxy looks names up.'],
  ['--upload-file', uploads],
  ['--put', uploads],
  ['--cookie', "Cookies of servers are kept by the session; one of your own goes with -H 'Cookie: NAME=VALUE'."],
  ['--load-cookies', "Cookie files are not read; one of your own goes with -H 'Cookie: NAME=VALUE'."],
  ['--auth-from', "Credentials go with -u USER:PASSWORD or -H 'Authorization: …' in this version."],
  ['--notify', 'Notices are not in this version; longhaul wait TASK && COMMAND does that.'],
])

/** Letters of aria2's that mean other things to curl: before a number they are its own. */
const beforeNumbers: ReadonlyMap<string, string> = new Map([
  ['-x', '--max-connection-per-server'],
  ['-s', '--split'],
  ['-k', '--min-split-size'],
])

/** The flag as it is meant: the value tells whose letter it is. */
export function meantBy(flag: string, value: string | undefined): string {
  return isNumber(value) ? (beforeNumbers.get(flag) ?? flag) : flag
}

function isNumber(value: string | undefined): boolean {
  return value !== undefined && /^\d+[kMG]?$/.test(value)
}

/** Letters that mean one thing to curl, another to aria2 or wget: the value tells. Undefined: not refused for its value. */
export function refusedFor(flag: string, value: string | undefined): string | undefined {
  switch (flag) {
    case '-T':
      return isNumber(value) ? undefined : uploads
    case '-m':
      return isNumber(value) ? undefined : crawler
    case '-d':
      return value !== undefined && /^[{[@]|=/.test(value)
        ? `${curl} If ${value} is a folder, write ./${value}.`
        : undefined
    case '-o':
    case '-O':
    case '--output':
    case '--out':
    case '--output-document':
      return isDescriptor(value) ? 'Longhaul writes files, never to standard output. curl URL does that.' : undefined
    default:
      return undefined
  }
}

/** An open descriptor of this process, by any of its names: the daemon, which writes the file, does not have it. */
function isDescriptor(value: string | undefined): boolean {
  return value !== undefined && /^(?:-|\/dev\/std(?:in|out|err)|\/(?:dev|proc\/self)\/fd\/\d+)$/.test(value)
}

/** Commands that people look for and this version does not have. */
export const otherCommands: ReadonlyMap<string, string> = new Map([
  ['put', uploads],
  ['upload', uploads],
  ['history', 'longhaul ls -a shows finished tasks too.'],
  ['sessions', 'longhaul ls --session NAME shows the tasks of one; longhaul daemon status counts them.'],
  ['limit', limits],
  ['doctor', 'longhaul daemon status shows what the daemon sees; longhaul explain TASK why a task waits.'],
  [
    'logs',
    'longhaul explain TASK shows all tries; the log of the daemon lies in the folder log of its home (longhaul daemon status).',
  ],
  ['dashboard', 'The dashboard is not in this version; longhaul watch shows what runs.'],
  ['config', 'There is nothing to configure in this version; flags are in longhaul help get.'],
  ['completion', 'Completion is not in this version.'],
  ['export', 'longhaul ls -a --json prints every task.'],
  ['import', 'longhaul add -i LIST takes a file with an address a line.'],
  ['docs', 'longhaul help COMMAND and longhaul explain CODE show them here.'],
  ['demo', 'npm run demo in a checkout shows it.'],
])

/** Addresses that other programs fetch. */
export function refusedScheme(address: string): string | undefined {
  if (/^magnet:/i.test(address)) return 'Longhaul is not for torrents; aria2c does that.'
  if (/^s?ftps?:/i.test(address)) return 'Longhaul speaks http and https; curl or aria2c do that.'
  if (/^(?!https?:).*\.(?:torrent|metalink|meta4)$/i.test(address))
    return 'Longhaul reads neither torrents nor metalinks; aria2c does that.'
  return undefined
}
