import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { numberedName, partName, safeName, shortened, suggestedFilename } from '../../src/transfer/files/names.ts'

function suggested(url: string, disposition?: string): string {
  return suggestedFilename({ url, headers: disposition === undefined ? [] : [['content-disposition', disposition]] })
}

test('the name of Content-Disposition comes before that of the address', () => {
  assert.equal(suggested('https://x.test/a/b.txt', 'attachment; filename="c.bin"'), 'c.bin')
  assert.equal(suggested('https://x.test/a/b.txt?v=1#f'), 'b.txt')
  assert.equal(suggested('https://x.test/a/sp%20ace.txt'), 'sp ace.txt')
  assert.equal(suggested('https://x.test/a/%E2%82%AC.txt'), '€.txt')
  assert.equal(suggested('https://x.test/bad%ZZ.txt'), 'bad%ZZ.txt')
  assert.equal(suggested('https://x.test/folder/'), 'folder')
  assert.equal(suggested('https://x.test/'), 'download')
  assert.equal(suggested('https://x.test/a.txt', 'attachment; filename=".."'), 'a.txt')
})

test('a name that a server chose never leads out of the folder', () => {
  assert.equal(safeName('../../etc/passwd'), 'passwd')
  assert.equal(safeName('..\\..\\windows\\system.ini'), 'system.ini')
  assert.equal(safeName('/etc/shadow'), 'shadow')
  assert.equal(safeName('a/b/'), 'b')
  assert.equal(safeName('C:evil.exe'), 'C_evil.exe')
  assert.equal(safeName('file.txt::$DATA'), 'file.txt__$DATA')
  assert.equal(suggested('https://x.test/%2e%2e%2f%2e%2e%2fpasswd'), 'passwd')
  for (const nothing of ['', '.', '..', '...', '/', '   ', '\u202e', '\0']) assert.equal(safeName(nothing), undefined)
})

test('a name that a server chose neither hides nor deceives', () => {
  assert.equal(safeName('.bashrc'), 'bashrc')
  assert.equal(safeName('photo\u202egpj.exe'), 'photogpj.exe')
  assert.equal(safeName('a\u200bb\r\n.txt'), 'ab.txt')
  assert.equal(safeName('trailing. . .'), 'trailing')
  assert.equal(safeName('lone\ud800.txt'), 'lone.txt')
})

test('the names of devices on Windows are changed, names that only begin alike are not', () => {
  assert.equal(safeName('CON'), 'CON_')
  assert.equal(safeName('nul.tar.gz'), 'nul_.tar.gz')
  assert.equal(safeName('COM1 .txt'), 'COM1_ .txt')
  assert.equal(safeName('console.log'), 'console.log')
  assert.equal(safeName('LPT10.txt'), 'LPT10.txt')
})

test('every text becomes a safe name or none, and a safe name stays as it is', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.string({
      unit: fc.constantFrom('.', '/', '\\', ' ', 'c', 'o', 'n', '\u202e', '😀', 'é', ':', '\ud800'),
      maxLength: 300,
    }),
  )
  fc.assert(
    fc.property(anything, (raw) => {
      const name = safeName(raw)
      if (name === undefined) return
      assert.notEqual(name, '')
      assert.ok(Buffer.byteLength(name) <= 200)
      assert.doesNotMatch(name, /[/\\<>:"|?*\p{Cc}\p{Surrogate}\u202a-\u202e\u2066-\u2069]/u)
      assert.doesNotMatch(name, /^[.\s]|[.\s]$/u)
      assert.doesNotMatch(name, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i)
      assert.equal(safeName(name), name)
    }),
    { numRuns: 1000 },
  )
})

test('a name takes no time to make safe, however strange and long', () => {
  for (const long of ['.', ' ', '. ', '\u00a0', '\u0323\u0301', 'a.', '😀']) {
    const text = `a_${long.repeat(60_000 / long.length)}z.bin`
    const started = process.cpuUsage().user
    const name = safeName(text)
    assert.ok(process.cpuUsage().user - started < 500_000, `${JSON.stringify(long)} takes long`)
    assert.match(name ?? '', /^a_.*\.bin$/su)
  }
})

test('a long name is cut between two code points and keeps its extension', () => {
  const name = safeName(`${'漢'.repeat(180)}.tar.gz`)!
  assert.ok(Buffer.byteLength(name) <= 200 && Buffer.byteLength(name) > 195)
  assert.ok(name.endsWith('漢.tar.gz'))
  assert.equal(shortened(`a.${'x'.repeat(300)}`, 200), `a.${'x'.repeat(198)}`)
})

test('a number goes before the extension and the name stays within its limit', () => {
  assert.equal(numberedName('a.txt', 1), 'a (1).txt')
  assert.equal(numberedName('a.tar.gz', 2), 'a (2).tar.gz')
  assert.equal(numberedName('noext', 3), 'noext (3)')
  assert.ok(Buffer.byteLength(numberedName(`${'é'.repeat(98)}.txt`, 1234)) <= 200)
})

test('the name of a part file fits every file system', () => {
  const task = '01JDFK3Z8Q0123456789ABCDEF'
  assert.equal(partName('a.bin', task), '.a.bin.89ABCDEF.longhaul-part')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 255 }), (name) => {
      assert.ok(Buffer.byteLength(partName(name, task)) <= 255)
    }),
  )
})
