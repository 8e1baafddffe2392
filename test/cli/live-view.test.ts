import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LiveView } from '../../src/cli/render/live-view.ts'
import { width } from '../../src/cli/render/text.ts'
import { wordsIn } from '../../src/cli/render/words-in.ts'
import { TerminalScreen } from '../support/terminal-screen.ts'
import { completed, later, seen, taskRecord, terminal, wallMs, withoutTotal } from './task-records.ts'

class Stage {
  readonly screen: TerminalScreen
  readonly view: LiveView
  written = ''
  now = wallMs
  /** Timers that run. */
  running = 0
  #tick = (): void => {}

  constructor(columns = 80, rows = 24) {
    this.screen = new TerminalScreen(columns, rows)
    this.view = new LiveView({
      terminal: () => terminal({ columns: this.screen.columns, rows: this.screen.rows }),
      words: wordsIn('en'),
      write: (text) => {
        this.written += text
        this.screen.write(text)
        assert.equal(this.screen.updating, false, 'a write ends the update that it began')
      },
      wallMs: () => this.now,
      every: (ms, run) => {
        assert.equal(ms, 100)
        this.running++
        this.#tick = run
        return () => {
          this.running--
          this.#tick = () => {}
        }
      },
    })
  }

  tick(): readonly string[] {
    this.now += 100
    this.#tick()
    return this.screen.lines
  }

  /** What was written since the last look. */
  take(): string {
    const text = this.written
    this.written = ''
    return text
  }
}

const keys = 'Ctrl-C leaves it running'
const plain = (lines: readonly string[]): readonly string[] => lines.map((line) => line.replace(/^[\dA-Z]{4} {2}/, ''))

test('one task is one line that is redrawn where it stands', () => {
  const stage = new Stage()
  const one = seen(later(taskRecord(), { progress: { received: 0, fraction: 0, rate: 0 } }))
  stage.view.begins(one)
  assert.deepEqual(plain(stage.tick()), ['big.iso  ░░░░░░░░░░░░░░░░░░░░   0 %      0 B/s   2m 10s', keys])
  for (let percent = 1; percent <= 99; percent++) {
    one.task = later(one.task, { progress: { received: percent * 3e6, fraction: percent / 100, rate: 21.3e6 } })
    stage.view.progressed(one)
    stage.tick()
  }
  assert.deepEqual(plain(stage.screen.lines), ['big.iso  ███████████████████▊  99 %  21.3 MB/s   2m 10s', keys])
  assert.deepEqual(stage.screen.scrolledAway, [])
  assert.equal(stage.screen.cursor.visible, false)
})

test('a frame in which nothing changed writes nothing, and one changed line writes only itself', () => {
  const stage = new Stage()
  const [one, two] = [seen(taskRecord({ name: 'one.bin' })), seen(taskRecord({ name: 'two.bin' }))]
  stage.view.begins(one)
  stage.view.begins(two)
  stage.tick()
  stage.take()
  stage.tick()
  assert.equal(stage.take(), '')
  two.task = later(two.task, { progress: { fraction: 0.6 } })
  stage.view.progressed(two)
  stage.tick()
  const text = stage.take()
  assert.ok(text.includes('two.bin') && !text.includes('one.bin') && !text.includes(keys), JSON.stringify(text))
})

test('tasks that end are written once above the others, and what moves stands first', () => {
  const stage = new Stage()
  const held = seen(taskRecord({ name: 'held.bin', phase: 'held' }))
  const moving = seen(taskRecord({ name: 'moving.bin' }))
  const ending = seen(taskRecord({ name: 'ending.bin' }))
  for (const one of [held, moving, ending]) stage.view.begins(one)
  assert.deepEqual(
    plain(stage.tick()).map((line) => line.split(' ')[0]),
    ['moving.bin', 'ending.bin', 'held.bin', '2', 'Ctrl-C'],
  )
  ending.task = { ...completed({ name: 'ending.bin' }), id: ending.task.id }
  stage.view.changed(ending)
  assert.deepEqual(plain(stage.tick()), [
    'ending.bin  done 300 MB in 1m 0s',
    'moving.bin  ███████████▌░░░░░░░░  58 %  21.3 MB/s   2m 10s',
    'held.bin    held',
    '1 active  0 waiting  0 queued  1 held  1 done     down 21.3 MB/s     12 s left',
    keys,
  ])
  stage.tick()
  assert.equal(stage.screen.lines.filter((line) => line.includes('ending.bin')).length, 1)
})

test('more tasks than the terminal has rows never make it scroll', () => {
  for (const rows of [4, 5, 10, 24]) {
    const stage = new Stage(80, rows)
    const all = Array.from({ length: 60 }, () => seen(taskRecord()))
    for (const one of all) stage.view.begins(one)
    for (let frame = 0; frame < 30; frame++) {
      for (const one of all) {
        one.task = later(one.task, { progress: { received: 174e6 + frame * 1e6 } })
        stage.view.progressed(one)
      }
      stage.tick()
    }
    assert.deepEqual(stage.screen.scrolledAway, [], `${rows} rows`)
    assert.equal(stage.screen.wraps, 0)
    assert.match(stage.screen.lines.at(-2)!, /^60 active {2}0 waiting/)
  }
})

test('at the bottom of a full terminal only tasks that end scroll it, a line each', () => {
  const stage = new Stage(80, 10)
  stage.screen.write('$ longhaul get …\n'.repeat(12))
  const before = stage.screen.scrolledAway.length
  const all = Array.from({ length: 5 }, (_, index) => seen(taskRecord({ name: `${index}.bin` })))
  for (const one of all) stage.view.begins(one)
  stage.tick()
  const begun = stage.screen.scrolledAway.length
  assert.equal(begun - before, 7, 'room for five tasks and two lines is made once')
  for (let frame = 0; frame < 20; frame++) stage.tick()
  assert.equal(stage.screen.scrolledAway.length, begun)
  all[0]!.task = { ...completed({ name: '0.bin' }), id: all[0]!.task.id }
  stage.view.changed(all[0]!)
  stage.tick()
  assert.equal(stage.screen.scrolledAway.length, begun, 'the line of the ended task takes the row that its bar had')
  assert.equal(stage.screen.wraps, 0)
})

test('a narrower terminal breaks the old lines, and the next frame takes all of them away', () => {
  const stage = new Stage(80, 24)
  stage.screen.write('$ longhaul get\n')
  const all = ['one.bin', 'two.bin', 'three.bin'].map((name) => seen(taskRecord({ name })))
  for (const one of all) stage.view.begins(one)
  stage.tick()
  for (const columns of [50, 31, 120, 80, 20]) {
    stage.screen.resize(columns)
    const lines = stage.tick()
    assert.equal(lines[0], '$ longhaul get')
    assert.equal(lines.length, 6, `${columns} columns:\n${lines.join('\n')}`)
    for (const line of lines) assert.ok(width(line) < columns)
  }
  assert.equal(stage.screen.wraps, 0)
})

test('every way out gives the cursor back and stops the timer', () => {
  const outs: readonly (readonly [string, (stage: Stage) => void])[] = [
    ['all have ended', ({ view }) => view.ends({ summary: { succeeded: 1, failed: 0, exitCode: 0 } })],
    ['the person left', ({ view }) => view.ends({ left: 'SIGINT' })],
    ['an error', ({ view }) => view.ends({ left: 'error' })],
    ['the process ends without a word', ({ view }) => view.restore()],
  ]
  for (const [name, out] of outs) {
    const stage = new Stage()
    stage.view.begins(seen(taskRecord()))
    stage.tick()
    assert.deepEqual([stage.screen.cursor.visible, stage.running], [false, 1])
    out(stage)
    assert.deepEqual([stage.screen.cursor.visible, stage.running], [true, 0], name)
    stage.take()
    out(stage)
    stage.view.restore()
    stage.tick()
    assert.equal(stage.take(), '', `${name}: a second time writes nothing`)
  }
})

test('who leaves keeps the last picture without the hint, over what the terminal echoed', () => {
  const stage = new Stage()
  stage.view.begins(seen(taskRecord()))
  stage.tick()
  stage.screen.write('^C')
  stage.view.ends({ left: 'SIGINT' })
  stage.screen.write('Left running: 1 transfer.\n')
  assert.deepEqual(plain(stage.screen.lines), [
    'big.iso  ███████████▌░░░░░░░░  58 %  21.3 MB/s   2m 10s',
    'Left running: 1 transfer.',
  ])
})

test('when all have ended only their lines stay', () => {
  const stage = new Stage()
  const one = seen(taskRecord())
  stage.view.begins(one)
  stage.tick()
  one.task = { ...completed(), id: one.task.id }
  stage.view.changed(one)
  stage.view.ends({ summary: { succeeded: 1, failed: 0, exitCode: 0 } })
  assert.deepEqual(plain(stage.screen.lines), ['big.iso  done 300 MB in 1m 0s'])
  assert.equal(stage.screen.cursor.column, 0)
})

test('a stopped display gives the cursor back and begins anew below what the shell wrote', () => {
  const stage = new Stage()
  stage.view.begins(seen(taskRecord()))
  stage.tick()
  stage.view.suspended()
  assert.equal(stage.screen.cursor.visible, true)
  stage.screen.write('^Z\n[1]+  Stopped   longhaul get\n$ fg\n')
  stage.view.resumed()
  assert.equal(stage.screen.cursor.visible, false)
  const row = 'big.iso  ███████████▌░░░░░░░░  58 %  21.3 MB/s   2m 10s'
  assert.deepEqual(plain(stage.tick()), [row, keys, '^Z', '[1]+  Stopped   longhaul get', '$ fg', row, keys])
})

test('silence is shown as a stall, counted from the last byte', () => {
  const stage = new Stage()
  const one = seen(later(withoutTotal(taskRecord()), {}))
  one.task = { ...one.task, progress: { received: 5e6, sent: 0, rate: 0 } }
  stage.view.begins(one)
  assert.match(plain(stage.tick())[0]!, /^big\.iso +5\.0 MB +0 B\/s$/)
  stage.now += 12_000
  assert.equal(plain(stage.tick())[0], 'big.iso  stalled 12 s')
})
