import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cut, cutName, fit, printable, right, width, wrap } from '../../src/cli/render/text.ts'

test('a sign takes the cells that a terminal gives it', () => {
  const cells: readonly (readonly [string, number])[] = [
    ['', 0],
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['\u0301', 0],
    ['ﬁ', 1],
    ['中文', 4],
    ['ｱ', 1],
    ['Ａ', 2],
    ['한글', 4],
    ['ひらがな', 8],
    ['、', 2],
    ['\u3000', 2],
    ['😀', 2],
    ['❤\uFE0F', 2],
    ['👨\u200D👩\u200D👧', 2],
    ['🇩🇪', 2],
    ['1\uFE0F\u20E3', 2],
    ['👍🏽', 2],
    ['𠀀', 2],
    ['░█', 2],
    ['\u001B[31mred\u001B[39m', 3],
  ]
  for (const [text, expected] of cells) assert.equal(width(text), expected, JSON.stringify(text))
})

test('control, bidirectional and invisible signs of foreign text are made visible', () => {
  assert.equal(
    printable('a\u001B[31mb\r\nc\u202Etxt.exe\u200Bd\uFEFF\u2028e\uD800f\u0007\u009B'),
    'a?[31mb??c?txt.exe?d??e?f??',
  )
  assert.equal(printable('中文 é e\u0301 😀'), '中文 é e\u0301 😀')
})

test('text is cut to its cells and never in the middle of a sign', () => {
  assert.equal(cut('abcdef', 6), 'abcdef')
  assert.equal(cut('abcdef', 5), 'abcd…')
  assert.equal(cut('abcdef', 5, '..'), 'abc..')
  assert.equal(cut('中文字', 5), '中文…')
  assert.equal(cut('中文字', 4), '中…')
  assert.equal(cut('abc', 0), '')
  assert.equal(cut('abc', 1), '…')
  assert.equal(cut('abc', 1, '..'), 'a')
  assert.equal(fit('中文字', 4), '中… ')
  assert.equal(fit('ab', 4), 'ab  ')
  assert.equal(right('ab', 4), '  ab')
})

test('a file name is cut in its middle and keeps its beginning and its extension', () => {
  assert.equal(cutName('short.iso', 20), 'short.iso')
  assert.equal(cutName('ubuntu-24.04.2-desktop-amd64.iso', 20), 'ubuntu-24…-amd64.iso')
  assert.equal(cutName('一个非常长的文件名字.tar.gz', 16), '一个非常….tar.gz')
  for (const name of ['ubuntu-24.04.2-desktop-amd64.iso', '一个非常长的文件名字.tar.gz', '😀😀😀😀😀😀😀😀.zip'])
    for (let cells = 1; cells < 40; cells++)
      for (const mark of ['…', '..']) assert.ok(width(cutName(name, cells, mark)) <= cells, `${name} in ${cells}`)
})

test('words are wrapped at blanks, Chinese between any two signs, and a long word stays whole', () => {
  assert.equal(wrap('one two three', 7), 'one two\nthree')
  assert.equal(wrap('one two three', 7, '  '), 'one two\n  three')
  assert.equal(
    wrap('see https://example.com/a/very/long/path now', 12),
    'see\nhttps://example.com/a/very/long/path\nnow',
  )
  assert.equal(wrap('连接中断，正在等待重试。', 10), '连接中断，\n正在等待重\n试。')
  assert.equal(wrap('', 10), '')
  for (const line of wrap('已保留 612 MB，继续时按 ETag 核对，然后继续传输。', 14).split('\n'))
    assert.ok(width(line) <= 14, line)
})
