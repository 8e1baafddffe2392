import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bar, paint, terminalOf } from '../../src/cli/render/terminal.ts'
import { width } from '../../src/cli/render/text.ts'
import { terminal } from './task-records.ts'

const screen = { isTTY: true, columns: 100, rows: 30 }

test('a bar has exactly its cells and grows with the share', () => {
  assert.equal(bar(terminal(), 0, 10), '░░░░░░░░░░')
  assert.equal(bar(terminal(), 0.58, 10), '█████▊░░░░')
  assert.equal(bar(terminal(), 1, 10), '██████████')
  assert.equal(bar(terminal({ ascii: true }), 0.5, 12), '[=====>    ]')
  assert.equal(bar(terminal({ ascii: true }), 1, 12), '[==========]')
  for (const ascii of [true, false])
    for (let part = -0.1; part < 1.2; part += 0.013) assert.equal(width(bar(terminal({ ascii }), part, 20)), 20)
})

test('what a terminal can show is told from the stream and the environment', () => {
  const of = (
    env: Record<string, string>,
    more: { plain?: boolean; color?: 'auto' | 'always' | 'never'; stream?: object } = {},
  ): ReturnType<typeof terminalOf> => terminalOf({ stream: screen, env, plain: false, color: 'auto', ...more })
  assert.deepEqual(of({ TERM: 'xterm-256color', LANG: 'en_US.UTF-8' }), {
    live: true,
    color: true,
    ascii: false,
    columns: 100,
    rows: 30,
    language: 'en',
  })
  const pipe = of({ TERM: 'xterm' }, { stream: {} })
  assert.deepEqual([pipe.live, pipe.color, pipe.columns, pipe.rows], [false, false, 80, 24])
  const noSize = of({ TERM: 'xterm' }, { stream: { isTTY: true, columns: 0, rows: 0 } })
  assert.deepEqual([noSize.columns, noSize.rows], [80, 24])
  const dumb = of({ TERM: 'dumb' })
  assert.deepEqual([dumb.live, dumb.color, dumb.ascii], [false, false, true])
  const plain = of({ TERM: 'xterm' }, { plain: true })
  assert.deepEqual([plain.live, plain.color, plain.ascii], [false, false, true])
  assert.equal(of({ TERM: 'xterm', CI: 'true' }).live, false)
  assert.equal(of({ TERM: 'xterm', CI: '' }).live, true)
  assert.equal(of({ TERM: 'xterm', NO_COLOR: '1' }).color, false)
  assert.equal(of({ TERM: 'xterm', NO_COLOR: '' }).color, true)
  assert.equal(of({ TERM: 'xterm', NO_COLOR: '1' }, { color: 'always' }).color, true)
  assert.equal(of({ TERM: 'xterm' }, { color: 'never' }).color, false)
  assert.equal(of({ FORCE_COLOR: '1' }, { stream: {} }).color, true)
  assert.equal(of({ TERM: 'linux' }).ascii, true)
})

test('the language follows the locale, and wide locales get no block signs', () => {
  const of = (env: Record<string, string>): ReturnType<typeof terminalOf> =>
    terminalOf({ stream: screen, env: { TERM: 'xterm', ...env }, plain: false, color: 'auto' })
  assert.deepEqual([of({ LANG: 'zh_CN.UTF-8' }).language, of({ LANG: 'zh_CN.UTF-8' }).ascii], ['zh', true])
  assert.deepEqual([of({ LANG: 'ja_JP.UTF-8' }).language, of({ LANG: 'ja_JP.UTF-8' }).ascii], ['en', true])
  assert.equal(of({ LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }).language, 'en')
  assert.equal(of({ LANG: 'en_US.UTF-8', LC_MESSAGES: 'zh_TW.UTF-8' }).language, 'zh')
  assert.equal(of({ LANG: 'C.UTF-8' }).language, 'en')
})

test('colour is put around a text only where there is colour', () => {
  assert.equal(paint(terminal({ color: true }), 'red', 'bad'), '\u001B[31mbad\u001B[39m')
  assert.equal(paint(terminal({ color: false }), 'red', 'bad'), 'bad')
})
