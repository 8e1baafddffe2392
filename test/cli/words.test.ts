import assert from 'node:assert/strict'
import { test } from 'node:test'
import { helpText, overview } from '../../src/cli/commands/help.ts'
import { commands } from '../../src/cli/main.ts'
import { errorText } from '../../src/cli/render/error.ts'
import { explanationText } from '../../src/cli/render/explanation.ts'
import { failureText } from '../../src/cli/render/failure.ts'
import { sheet } from '../../src/cli/render/sheet.ts'
import { shortCode } from '../../src/cli/render/task-name.ts'
import { width } from '../../src/cli/render/text.ts'
import { wordsIn } from '../../src/cli/render/words-in.ts'
import { errorCodes, LonghaulError } from '../../src/contract/errors.ts'
import type { ExplanationJson } from '../../src/contract/explanation.ts'
import { backoff, completed, errorJson, explanation, taskRecord, terminal, wallMs } from './task-records.ts'

/** Every text of a language: constants, and what functions make of plain values. */
function textsOf(words: object): readonly string[] {
  return Object.values(words).flatMap((value: unknown): readonly string[] => {
    if (typeof value === 'string') return [value]
    if (typeof value === 'function') {
      const counts = { active: 1, waiting: 2, queued: 3, held: 4, suspended: 0, completed: 6, done: 5, failed: 6 }
      const make = value as (...args: readonly unknown[]) => string
      // Functions of counts take an object first, all others texts and numbers.
      return [
        value.length >= 2 && /active/.test(String(value)) ? make(counts, 7, '8 s') : make('1', '2', '3', '4', '5'),
      ]
    }
    return textsOf(value as object)
  })
}

test('Chinese words say everything that the English ones do, in Chinese', () => {
  const [en, zh] = [wordsIn('en'), wordsIn('zh')]
  const texts = [en, zh].map(textsOf)
  assert.equal(texts[0]!.length, texts[1]!.length)
  texts[1]!.forEach((text, index) => {
    const english = texts[0]![index]!
    // What is the same in both holds no words, or only what is never translated.
    if (text !== english) assert.match(text, /[\u4E00-\u9FFF，：。（）]/, `${english} -> ${text}`)
    else assert.doesNotMatch(text, /[a-z]{3}/, text)
  })
  assert.deepEqual(Object.keys(zh.causes).toSorted(), Object.keys(en.causes).toSorted())
  assert.deepEqual(Object.keys(zh.hints).toSorted(), Object.keys(en.hints).toSorted())
})

test('help fits into 80 columns, and each command has a summary that is a sentence', () => {
  for (const text of [overview(commands, 80), ...commands.map((command) => helpText(command, 80))])
    for (const line of text.split('\n')) assert.ok(width(line) < 80, line)
  for (const command of commands) {
    assert.match(helpText(command, 80), /^Usage: longhaul /)
    assert.ok(!command.summary.endsWith('.'), 'the dot is put by the help')
    for (const { short, name } of command.flags) assert.match(name, /^[a-z][a-z-]+$/, short)
  }
})

test('a sheet aligns its texts behind the widest label, in cells', () => {
  const lines = sheet(
    [
      ['Why', 'a '.repeat(60).trim()],
      ['可经受', '字'.repeat(50)],
      ['', '  1  a table', 'as is'],
    ],
    terminal({ columns: 60 }),
  )
    .trimEnd()
    .split('\n')
  for (const line of lines) assert.ok(width(line) < 60, line)
  assert.ok(lines[1]!.startsWith(`${' '.repeat(12)}a`))
  assert.equal(lines.at(-1), `${' '.repeat(12)}  1  a table`)
})

test('an error says what happened and what to do, for every code, and fits', () => {
  for (const code of errorCodes) {
    const message = `/some/folder/with/a/name could not be used, because of that. Nothing was started; the file was not touched.`
    const text = errorText(new LonghaulError(code, message), terminal({ columns: 60 }), wordsIn('en'))
    assert.match(text, new RegExp(`^longhaul: .*\\(${code}\\)`, 's'))
    assert.equal(text.includes('You can: '), code !== 'INVALID_ARGUMENT')
    for (const line of text.split('\n')) assert.ok(width(line) < 60, line)
  }
})

test('the failure of a task says what happened, what the server answered, what is kept, and the next command', () => {
  const error = new LonghaulError('HTTP_STATUS', 'http://h/x answered with status 410.', {
    status: 410,
    body: Buffer.from('gone\u001B[2J for\ngood'),
  }).toJSON()
  const text = failureText(completed({ error }), '7K2M', terminal(), wordsIn('en'))
  assert.equal(
    text,
    `7K2M  big.iso  HTTP_STATUS
  What      http://h/x answered with status 410.
  Answer    gone?[2J for good
  Kept      174 MB of 300 MB
  Hint      Check the address. The same file at a fresh address: longhaul retry
            7K2M --url NEW.
  You can   longhaul retry 7K2M   longhaul explain 7K2M
`,
  )
  const page = { ...error, body: Buffer.from('<html>').toString('base64') }
  assert.ok(!failureText(completed({ error: page }), '7K2M', terminal(), wordsIn('en')).includes('Answer'))
})

test('the sheet of explain names the callback that failed and the first line of its error', () => {
  const task = completed()
  const of = 'didFinishDownloading, which failed: no such table: photos\n    at save (app.js:7:9)'
  for (const phase of ['completed', 'waiting'] as const) {
    const why = explanation(task, { phase, blockers: [{ code: 'callback', of }] })
    const text = explanationText({ task, explanation: why, wallMs }, terminal({ columns: 120 }), wordsIn('en'))
    const said = text.replace(/\s+/g, ' ')
    assert.match(said, /Blocked a callback of its app: didFinishDownloading, which failed: no such table: photos/)
    assert.doesNotMatch(said, /app\.js/)
  }
})

test('the sheet of explain tells who waits for a disk or a folder what to do about that, before any command', () => {
  const task = taskRecord({ phase: 'waiting' })
  const said = (facts: Partial<ExplanationJson>, language: 'en' | 'zh' = 'en'): string => {
    const why = explanation(task, { phase: 'waiting', ...facts })
    const look = terminal({ columns: 120, language })
    return explanationText({ task, explanation: why, wallMs }, look, wordsIn(language)).replace(/\s+/g, ' ')
  }
  const full: Partial<ExplanationJson> = {
    blockers: [{ code: 'disk', of: '/mnt/disk' }],
    remedies: ['freeSpace', 'tryNow', 'cancel'],
    kept: { bytes: 100e6, total: 300e6 },
  }
  const code = shortCode(task.id)
  assert.match(
    said(full),
    new RegExp(
      `You can Free some space on the disk of /mnt/disk; 200 MB are still to come\\. It then goes on by itself\\. ` +
        `longhaul retry ${code} longhaul cancel ${code}`,
    ),
  )
  assert.match(said({ ...full, kept: { bytes: 0 } }), /Free some space on the disk of \/mnt\/disk\. It then goes on/)
  assert.match(said(full, 'zh'), /释放 \/mnt\/disk 所在磁盘的空间（还需 200 MB）/)
  const gone: Partial<ExplanationJson> = {
    blockers: [{ code: 'destination', of: '/mnt/usb' }],
    remedies: ['reconnect', 'tryNow', 'cancel'],
  }
  assert.match(
    said(gone),
    /You can Bring back the folder \/mnt\/usb, or let it be written to\. It then goes on by itself/,
  )
})

test('the sheet of explain fits into every terminal, in both languages', () => {
  const waiting = taskRecord({ phase: 'waiting', name: '一个非常非常长的文件名字.tar.gz' })
  const cause = errorJson('NETWORK_CONNECTION_LOST', 'h.example:443 closed the connection after 174 MB of 300 MB.')
  const attempts = Array.from({ length: 12 }, (_, index) => ({
    number: index + 1,
    startedAtMs: wallMs - 1000,
    tookMs: 900,
    bytes: index * 1e6,
    cause,
  }))
  const explanation = { ...backoff(waiting, 48_000, cause), attempts, deadlineMs: wallMs + 1e8, ahead: 3 }
  for (const language of ['en', 'zh'] as const)
    for (const columns of [60, 80, 120]) {
      const text = explanationText(
        { task: waiting, explanation, wallMs },
        terminal({ columns, language }),
        wordsIn(language),
      )
      for (const line of text.split('\n')) assert.ok(width(line) < columns, `${columns}: ${line}`)
      assert.equal(text.match(/900|0\.9 s/g)?.length, 8, 'the last eight tries')
    }
})
