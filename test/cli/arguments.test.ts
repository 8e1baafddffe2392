import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../src/cli/arguments.ts'
import { commandOf, commands } from '../../src/cli/main.ts'
import { isLonghaulError } from '../../src/contract/errors.ts'

const url = 'https://example.com/a.iso'

interface Read {
  readonly command: string
  readonly words: readonly string[]
  readonly flags: Readonly<Record<string, readonly (string | boolean)[]>>
  readonly notes: readonly string[]
}

/** What a command line means: `longhaul` is left out, words are split at blanks. */
function read(line: string): Read {
  const { command, rest } = commandOf(line === '' ? [] : line.split(' '))
  const { input, notes } = parseArguments(command, rest)
  const names = command.flags.map((flag) => flag.name).concat('json', 'quiet', 'verbose', 'plain', 'color', 'help')
  const flags = Object.fromEntries(names.flatMap((name) => (input.has(name) ? [[name, input.values(name)]] : [])))
  return { command: command.name, words: input.words, flags, notes }
}

function refusal(line: string): string {
  try {
    read(line)
  } catch (error) {
    assert.ok(isLonghaulError(error, 'INVALID_ARGUMENT'), String(error))
    return error.message
  }
  throw new Error(`'${line}' was accepted`)
}

test('a bare command lists, an address fetches, and a word is a command', () => {
  const lines: readonly (readonly [string, string])[] = [
    ['', 'ls'],
    ['--json', 'ls'],
    ['-a', 'ls'],
    [url, 'get'],
    [`-o x ${url}`, 'get'],
    ['-i list.txt', 'get'],
    ['ftp://example.com/x', 'get'],
    ['-h', 'help'],
    ['--help', 'help'],
    ['--version', 'version'],
  ]
  for (const [line, command] of lines) assert.equal(read(line).command, command, line)
})

test('words of other programs are aliases', () => {
  const aliases: Readonly<Record<string, string>> = {
    pull: 'get',
    download: 'get',
    list: 'ls',
    status: 'ls',
    top: 'watch',
    pause: 'hold',
    stop: 'hold',
    resume: 'release',
    unpause: 'release',
    start: 'release',
    rm: 'cancel',
    kill: 'cancel',
    describe: 'explain',
  }
  for (const [word, name] of Object.entries(aliases)) assert.equal(commandOf([word]).command.name, name, word)
  const names = commands.flatMap((command) => [command.name, ...(command.aliases ?? [])])
  assert.equal(new Set(names).size, names.length, 'no word means two commands')
})

test('an unknown command is told the nearest one, what does it today, or that an address is meant', () => {
  assert.match(refusal('lst'), /no command 'lst'\. Did you mean longhaul ls\?/)
  assert.match(refusal('wach'), /longhaul watch/)
  assert.match(refusal('history'), /longhaul ls -a/)
  assert.match(refusal('put file http://x/'), /Uploads are not in this version/)
  assert.match(refusal('example.com/a.zip'), /longhaul get https:\/\/example\.com\/a\.zip/)
  assert.match(refusal('qqqqqq'), /longhaul help lists all/)
})

test('an unknown flag is told the nearest one, a value flag wants its value, and a choice is one of its words', () => {
  assert.match(refusal(`get --digset sha-256:0 ${url}`), /Did you mean --digest\?/)
  assert.match(refusal('ls --zzzzzzzz'), /longhaul help ls lists them/)
  assert.match(refusal(`get ${url} -o`), /-o wants a value: -o FILE/)
  assert.match(refusal('ls --state tired'), /--state tired: choose one of suspended, held/)
  assert.match(refusal('ls --color=blue'), /choose one of auto, always, never/)
  assert.match(refusal('ls --all=yes'), /--all takes no value/)
})

test('what stands behind -- is taken as it is', () => {
  assert.deepEqual(read('daemon run -- node app.js --json').words, ['run', 'node', 'app.js', '--json'])
  assert.deepEqual(read(`get -- ${url} -k`).words, [url, '-k'])
})

// Left: what is typed. Right: the flags that it means.
const works: readonly (readonly [string, Read['flags']])[] = [
  [`get -o F ${url}`, { output: ['F'] }],
  [`get -oF ${url}`, { output: ['F'] }],
  [`get -d DIR ${url}`, { directory: ['DIR'] }],
  [`get -P DIR ${url}`, { directory: ['DIR'] }],
  [`get --directory-prefix=DIR ${url}`, { directory: ['DIR'] }],
  ['get -i LIST', { input: ['LIST'] }],
  ['get -i -', { input: ['-'] }],
  [`get -q ${url}`, { quiet: [true] }],
  [`get -H K:V -H L:W ${url}`, { header: ['K:V', 'L:W'] }],
  [`get --header=K:V ${url}`, { header: ['K:V'] }],
  [`get -U UA ${url}`, { 'user-agent': ['UA'] }],
  [`get -A UA ${url}`, { 'user-agent': ['UA'] }],
  [`get --user-agent UA ${url}`, { 'user-agent': ['UA'] }],
  [`get -e REF ${url}`, { referer: ['REF'] }],
  [`get --referer REF ${url}`, { referer: ['REF'] }],
  [`get -u me:secret ${url}`, { user: ['me:secret'] }],
  [`get --checksum=sha-256=00 ${url}`, { digest: ['sha-256=00'] }],
  [`get --cacert CA ${url}`, { ca: ['CA'] }],
  [`get -E C --private-key K ${url}`, { cert: ['C'], key: ['K'] }],
  [`get --cert C --key K --key-passphrase P ${url}`, { cert: ['C'], key: ['K'], 'key-passphrase': ['P'] }],
  [`get --pinnedpubkey sha256//AAA= ${url}`, { pin: ['sha256//AAA='] }],
  [`get -O ${url}`, { 'remote-name': [true] }],
  [`get -O NAME ${url}`, { output: ['NAME'] }],
  [`get ${url} -O NAME`, { output: ['NAME'] }],
  [`get -O ${url} -O ${url}`, { 'remote-name': [true, true] }],
  [`get -s ${url}`, { quiet: [true] }],
  [`get -nc ${url}`, { 'skip-existing': [true] }],
  [`get -t 5 ${url}`, { 'max-attempts': ['5'] }],
  [`get -t5 ${url}`, { 'max-attempts': ['5'] }],
  [`get --tries=5 ${url}`, { 'max-attempts': ['5'] }],
  [`get --tries=inf ${url}`, {}],
  [`get -t 0 ${url}`, {}],
  [`get --retry 4 ${url}`, { 'max-attempts': ['5'] }],
  [`get --segments 2 ${url}`, { segments: ['2'] }],
  [`get -x 4 ${url}`, { segments: ['4'] }],
  [`get -x http://proxy:3128 ${url}`, { proxy: ['http://proxy:3128'] }],
  [`get -x http://proxy:3128 -x 4 ${url}`, { proxy: ['http://proxy:3128'], segments: ['4'] }],
  [`get --all-proxy=socks5://proxy --noproxy a,b ${url}`, { proxy: ['socks5://proxy'], 'proxy-bypass': ['a,b'] }],
  [`get -x8 -s8 -k1M ${url}`, { segments: ['8', '8'] }],
  [`get -s 4 ${url}`, { segments: ['4'] }],
  [`get --split=4 --min-split-size=1M ${url}`, { segments: ['4'] }],
  [`get -k 1M ${url}`, {}],
  [`get -T 30 ${url}`, { stall: ['30s'] }],
  [`get --timeout=30 ${url}`, { stall: ['30s'] }],
  [`get -y 30 -Y 1 ${url}`, { stall: ['30s'] }],
  [`get -m 60 ${url}`, { deadline: ['60s'] }],
  [`get --limit-rate 2M ${url}`, { 'limit-rate': ['2M'] }],
  [`get --limit 2M ${url}`, { 'limit-rate': ['2M'] }],
  [`get --max-download-limit=500K ${url}`, { 'limit-rate': ['500K'] }],
  [`get -L -f -c -J -S --create-dirs --auto-file-renaming=false -C - -Z ${url}`, {}],
  [`get -fsSL ${url}`, { quiet: [true] }],
  [`get -fsSLo F ${url}`, { quiet: [true], output: ['F'] }],
  [`get -LO ${url}`, { 'remote-name': [true] }],
  [`get -LJO ${url}`, { 'remote-name': [true] }],
  [`get -qO NAME ${url}`, { quiet: [true], output: ['NAME'] }],
  [`get -qO/tmp/NAME ${url}`, { quiet: [true], output: ['/tmp/NAME'] }],
  [`get -o/tmp/NAME ${url}`, { output: ['/tmp/NAME'] }],
  [`get -dtwo/three ${url}`, { directory: ['two/three'] }],
]

for (const [line, flags] of works) {
  test(`a habit works: ${line.replace(url, 'URL')}`, () => {
    const read_ = read(line)
    assert.deepEqual({ ...read_.flags }, flags)
    assert.deepEqual(
      read_.words.filter((word) => word !== url),
      [],
    )
  })
}

test("wget's -b adds and returns at once", () => {
  assert.equal(read(`-b ${url}`).command, 'add')
  assert.equal(read(`get -b ${url}`).command, 'add')
})

test('what was accepted quietly is told to who asks for more words', () => {
  assert.deepEqual(read(`get -L -P DIR -C - ${url}`).notes, [
    '-L: already so (redirects are followed).',
    '-P is --directory DIR here.',
    '-C -: already so (running again goes on).',
  ])
})

const refused: readonly (readonly [string, RegExp])[] = [
  [`get --pass sesame ${url}`, /--key-passphrase FILE/],
  [`get -k ${url}`, /certificate checks stay on.*--ca FILE/i],
  [`get --insecure ${url}`, /certificate checks stay on/i],
  [`get --no-proxy ${url}`, /Write --proxy none/],
  [`get --socks5 proxy:1080 ${url}`, /--proxy socks5:\/\/HOST:PORT/],
  [`get --proxy-user u:p ${url}`, /stand in the address/],
  [`get -j 3 ${url}`, /daemon decides how many/],
  [`get -j3 ${url}`, /daemon decides how many/],
  [`get --max-overall-download-limit=2M ${url}`, /longhaul daemon limit RATE limits all transfers together/],
  [`get -T file ${url}`, /Uploads are not in this version/],
  [`get -I ${url}`, /curl -I/],
  [`get -w %{http_code} ${url}`, /--json/],
  [`get -d a=b ${url}`, /job for curl.*write \.\/a=b/],
  [`get -X POST ${url}`, /job for curl/],
  [`get -r ${url}`, /not a crawler/],
  [`get -m ${url}`, /not a crawler/],
  [`get -C 500 ${url}`, /knows itself where to go on/],
  [`get -O - ${url}`, /never to standard output/],
  [`get -o - ${url}`, /never to standard output/],
  [`get --output=- ${url}`, /never to standard output/],
  [`get -o /dev/stdout ${url}`, /never to standard output/],
  [`get -o/dev/stdout ${url}`, /never to standard output/],
  [`get -o- ${url}`, /never to standard output/],
  [`get -O/dev/stdout ${url}`, /never to standard output/],
  [`get -qO- ${url}`, /never to standard output/],
  [`get -Lo/dev/fd/1 ${url}`, /never to standard output/],
  [`add --output /dev/fd/1 ${url}`, /never to standard output/],
  [`get -o /proc/self/fd/3 ${url}`, /never to standard output/],
  [`get -O /dev/stderr ${url}`, /never to standard output/],
]

for (const [line, message] of refused) {
  test(`a habit is told what does it: ${line.replace(url, 'URL')}`, () => {
    assert.match(refusal(line), message)
    assert.match(refusal(line), /Nothing was started\.$/)
  })
}

test('habits of fetching are not taken from other commands', () => {
  assert.match(refusal('cancel -f'), /-f is not a flag of longhaul cancel/)
  assert.match(refusal('wait -t 10'), /-t is not a flag of longhaul wait/)
})
