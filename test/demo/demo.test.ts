/** The demo is the smoke test of the whole: each claim of its last line is checked by itself; here by exit code, and its page by a browser. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'
import { isRunning } from '../support/stage.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const program = 'examples/simple-background-transfer/demo.ts'

/** The little of playwright-core that is used: its own types want the whole DOM in this project. */
interface Page {
  on(event: 'console' | 'pageerror', run: (told: { text(): string } & Error) => void): void
  goto(url: string): Promise<unknown>
  evaluate(script: string): Promise<unknown>
  waitForSelector(selector: string, options: { readonly timeout: number }): Promise<unknown>
}
interface Playwright {
  readonly chromium: {
    launch(options: {
      readonly executablePath: string
      readonly args: readonly string[]
    }): Promise<{ newPage(): Promise<Page>; close(): Promise<void> }>
  }
}
const browsers: string = 'playwright-core'
const { chromium } = (await import(browsers)) as Playwright

class Demo implements AsyncDisposable {
  readonly lines: string[] = []
  readonly #child: ReturnType<typeof spawn>
  readonly #ended: Promise<unknown[]>
  readonly #waiting = new Map<RegExp, (line: string) => void>()

  constructor(temp: string, ...args: readonly string[]) {
    const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: temp }
    // The demo has a home of its own, whatever its user has.
    delete env['LONGHAUL_HOME']
    this.#child = spawn(process.execPath, ['--conditions=longhaul-source', program, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#ended = once(this.#child, 'exit')
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.lines.push(line)
      for (const [pattern, found] of this.#waiting) if (pattern.test(line)) found(line)
    })
  }

  /** The first line that fits; the end of the demo without one is a failure. */
  async line(pattern: RegExp): Promise<string> {
    const told = this.lines.find((line) => pattern.test(line))
    if (told !== undefined) return told
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    this.#waiting.set(pattern, resolve)
    void this.#ended.then(() =>
      reject(new Error(`The demo ended without ${String(pattern)}:\n${this.lines.join('\n')}`)),
    )
    return promise.finally(() => this.#waiting.delete(pattern))
  }

  async end(): Promise<unknown> {
    return (await this.#ended)[0]
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.interrupt()
    await this.#ended
  }
}

test(
  'the demo tells the whole story, and its page shows the progress bar, then the picture',
  { timeout: 120_000, skip: needs('chromium') },
  async () => {
    const temp = await temporaryFolder()
    await using demo = new Demo(temp, '--lang', 'zh')
    const url = /http:\S+/.exec(await demo.line(/http:\/\/127\.0\.0\.1:\d+\/\S{8,}\//))![0]
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
    try {
      const page = await browser.newPage()
      const complaints: string[] = []
      page.on('console', (message) => complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(error.message))
      await page.goto(url)
      await page.waitForSelector('html[lang=zh-Hans]', { timeout: 60_000 })
      assert.equal(await page.evaluate(`document.querySelector('#picture').hidden`), true)
      await page.waitForSelector('#app.dead', { timeout: 60_000 })
      const share = Number(await page.evaluate(`document.querySelector('#app-bar').value`))
      assert.ok(share >= 0.4 && share < 0.7, `killed at ${share}`)
      await page.waitForSelector('#picture[src]', { timeout: 60_000 })
      const width = await page.evaluate(
        `document.querySelector('#picture').decode().then(() => document.querySelector('#picture').naturalWidth)`,
      )
      assert.equal(width, 1920)
      await page.waitForSelector('#verdict.ok', { timeout: 60_000 })
      assert.equal(await page.evaluate(`document.querySelector('#app-bar').value`), 1)
      assert.deepEqual(complaints, [])
    } finally {
      await browser.close()
    }
    assert.equal(await demo.end(), 0, demo.lines.join('\n'))
    assert.match(demo.lines.join('\n'), /OK$/m)
    assert.deepEqual(readdirSync(temp), [])
  },
)

test('Ctrl-C in the middle of the demo leaves nothing behind', { timeout: 60_000 }, async () => {
  const temp = await temporaryFolder()
  await using demo = new Demo(temp, '--no-page')
  await demo.line(/didWriteData +10 %/)
  const daemon = Number(/daemon pid (\d+)/.exec(demo.lines.join('\n'))?.[1])
  demo.interrupt()
  assert.equal(await demo.end(), 1)
  assert.deepEqual(readdirSync(temp), [])
  assert.ok(!isRunning(daemon), 'the daemon is gone')
})
