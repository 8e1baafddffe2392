/**
 * What the command line says, in English and Simplified Chinese. JSON, codes and flags are never translated. The Chinese
 * terms are fixed: 任务 task · 会话 session · 断点续传 resume · 暂停 hold · 挂起 suspend · 等待重试 back-off · 已保留 kept ·
 * 守护进程 daemon · 校验一致 verified.
 */

/** Tasks of one display, by what they do. */
export interface Totals {
  readonly active: number
  readonly waiting: number
  readonly queued: number
  readonly held: number
  readonly done: number
  readonly failed: number
}

export interface Words {
  readonly started: (total: string | undefined) => string
  readonly percentOf: (percent: number, got: string, total: string, rate: string, left: string | undefined) => string
  readonly got: (got: string, rate: string) => string
  readonly retry: (cause: string, attempt: number, wait: string, kept: string) => string
  readonly resumed: (offset: string) => string
  readonly done: (size: string, took: string) => string
  readonly verified: string
  readonly lengthUnverified: string
  readonly notModified: string
  readonly skipped: string
  readonly failed: string
  readonly kept: (size: string) => string
  readonly stalled: (time: string) => string
  readonly waiting: (why: string, wait: string | undefined) => string
  readonly queued: string
  readonly suspended: string
  readonly held: string
  readonly connecting: string
  readonly verifying: string
  readonly delivering: string
  readonly totals: (counts: Totals, rate: string, left: string | undefined) => string
  readonly keys: string
  readonly alreadyOnIt: (code: string, kept: string, started: string) => string
  readonly alreadyDone: (path: string) => string
  readonly leftRunning: (count: number, target: string) => string
  readonly cancelled: (count: number) => string
  readonly changed: Readonly<Record<'hold' | 'release' | 'cancel' | 'retry' | 'tryNow', (count: number) => string>>
  readonly nothingHere: string
  readonly headings: Readonly<Record<'task' | 'name' | 'state' | 'done' | 'rate' | 'left' | 'session', string>>
  readonly labels: Readonly<
    Record<'why' | 'kept' | 'blocked' | 'deadline' | 'tries' | 'youCan' | 'nextTry' | 'ahead' | 'cause', string>
  >
  readonly daemonRuns: (pid: number, home: string, since: string) => string
  readonly daemonStopped: (pid: number, waiting: number) => string
  readonly daemonAbsent: (home: string) => string
  readonly daemonStarted: (pid: number) => string
  readonly error: string
  readonly whatYouCanDo: string
}

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`

const en: Words = {
  started: (total) => (total === undefined ? 'started, size unknown' : `started, ${total}`),
  percentOf: (percent, got, total, rate, left) =>
    `${percent} percent, ${got} of ${total}, ${rate}${left === undefined ? '' : `, ${left} left`}`,
  got: (got, rate) => `${got}, ${rate}`,
  retry: (cause, attempt, wait, kept) => `${cause}, try ${attempt} in ${wait}, ${kept} kept`,
  resumed: (offset) => `goes on at ${offset}`,
  done: (size, took) => `done ${size} in ${took}`,
  verified: 'sha-256 matches',
  lengthUnverified: 'length not verified (the server did not say how long it is)',
  notModified: 'not modified, nothing to fetch',
  skipped: 'skipped, the file exists',
  failed: 'failed',
  kept: (size) => `${size} kept`,
  stalled: (time) => `stalled ${time}`,
  waiting: (why, wait) => `waiting: ${why}${wait === undefined ? '' : `, next try in ${wait}`}`,
  queued: 'queued',
  suspended: 'suspended by its app',
  held: 'held',
  connecting: 'connecting',
  verifying: 'verifying',
  delivering: 'delivering',
  totals: (c, rate, left) =>
    `${c.active} active  ${c.waiting} waiting  ${c.queued} queued  ${c.held > 0 ? `${c.held} held  ` : ''}${c.done} done${c.failed > 0 ? `  ${c.failed} failed` : ''}     down ${rate}${left === undefined ? '' : `     ${left} left`}`,
  keys: 'Ctrl-C leave it running',
  alreadyOnIt: (code, kept, started) => `Already on it (${code}, ${kept} kept, started ${started} ago). Watching.`,
  alreadyDone: (path) => `Fetched before: ${path}. Asking whether it has changed.`,
  leftRunning: (count, target) =>
    `Left running: ${plural(count, 'transfer')}.  Come back: longhaul watch${target}   Stop: longhaul cancel${target === '' ? ' @last' : target}`,
  cancelled: (count) => `Cancelled: ${plural(count, 'transfer')}.`,
  changed: {
    hold: (count) => `Held: ${plural(count, 'task')}. Their bytes are kept; longhaul release lets them go on.`,
    release: (count) => `Released: ${plural(count, 'task')}.`,
    cancel: (count) =>
      `Cancelled: ${plural(count, 'task')}. longhaul retry starts one again from the bytes that were kept.`,
    retry: (count) => `Trying again: ${plural(count, 'task')}.`,
    tryNow: (count) => `Trying now: ${plural(count, 'task')}.`,
  },
  nothingHere: 'No tasks.  Fetch something: longhaul get URL   See finished ones: longhaul ls -a',
  headings: {
    task: 'TASK',
    name: 'NAME',
    state: 'STATE',
    done: 'DONE',
    rate: 'RATE',
    left: 'LEFT',
    session: 'SESSION',
  },
  labels: {
    why: 'Why',
    kept: 'Kept',
    blocked: 'Blocked',
    deadline: 'Deadline',
    tries: 'Tries',
    youCan: 'You can',
    nextTry: 'Next',
    ahead: 'Ahead',
    cause: 'Cause',
  },
  daemonRuns: (pid, home, since) => `The daemon runs: pid ${pid}, home ${home}, since ${since}.`,
  daemonStopped: (pid, waiting) =>
    `The daemon (pid ${pid}) has stopped at a checkpoint.${waiting === 0 ? '' : ` ${plural(waiting, 'transfer')} not finished: they go on when it starts again (longhaul daemon start, or the next command).`}`,
  daemonAbsent: (home) =>
    `No daemon runs for ${home}. The next command that needs it starts it; longhaul daemon start does so now.`,
  daemonStarted: (pid) => `The daemon runs (pid ${pid}).`,
  error: 'Error',
  whatYouCanDo: 'You can',
}

const zh: Words = {
  started: (total) => (total === undefined ? '已开始，大小未知' : `已开始，${total}`),
  percentOf: (percent, got, total, rate, left) =>
    `百分之 ${percent}，${got} / ${total}，${rate}${left === undefined ? '' : `，剩余 ${left}`}`,
  got: (got, rate) => `${got}，${rate}`,
  retry: (cause, attempt, wait, kept) => `${cause}，${wait}后第 ${attempt} 次尝试，已保留 ${kept}`,
  resumed: (offset) => `断点续传，从 ${offset} 继续`,
  done: (size, took) => `已完成 ${size}，用时 ${took}`,
  verified: 'sha-256 校验一致',
  lengthUnverified: '长度未经验证（服务器没有给出长度）',
  notModified: '没有变化，无需下载',
  skipped: '已跳过，文件已存在',
  failed: '失败',
  kept: (size) => `已保留 ${size}`,
  stalled: (time) => `停滞 ${time}`,
  waiting: (why, wait) => `等待：${why}${wait === undefined ? '' : `，${wait}后重试`}`,
  queued: '排队中',
  suspended: '已被应用挂起',
  held: '已暂停',
  connecting: '正在连接',
  verifying: '正在校验',
  delivering: '正在交付',
  totals: (c, rate, left) =>
    `${c.active} 个传输中  ${c.waiting} 个等待  ${c.queued} 个排队  ${c.held > 0 ? `${c.held} 个暂停  ` : ''}${c.done} 个完成${c.failed > 0 ? `  ${c.failed} 个失败` : ''}     下载 ${rate}${left === undefined ? '' : `     剩余 ${left}`}`,
  keys: 'Ctrl-C 离开，传输继续',
  alreadyOnIt: (code, kept, started) => `已在进行（${code}，已保留 ${kept}，${started}前开始）。正在观看。`,
  alreadyDone: (path) => `以前下载过：${path}。正在询问是否有变化。`,
  leftRunning: (count, target) =>
    `${count} 个传输继续运行。  回来：longhaul watch${target}   停止：longhaul cancel${target === '' ? ' @last' : target}`,
  cancelled: (count) => `已取消 ${count} 个传输。`,
  changed: {
    hold: (count) => `已暂停 ${count} 个任务。字节已保留；longhaul release 使其继续。`,
    release: (count) => `已恢复 ${count} 个任务。`,
    cancel: (count) => `已取消 ${count} 个任务。longhaul retry 从已保留的字节重新开始。`,
    retry: (count) => `正在重试 ${count} 个任务。`,
    tryNow: (count) => `立即尝试 ${count} 个任务。`,
  },
  nothingHere: '没有任务。  下载：longhaul get URL   查看已完成的：longhaul ls -a',
  headings: { task: '任务', name: '名称', state: '状态', done: '已完成', rate: '速度', left: '剩余', session: '会话' },
  labels: {
    why: '原因',
    kept: '已保留',
    blocked: '受阻',
    deadline: '期限',
    tries: '尝试',
    youCan: '可以',
    nextTry: '下次',
    ahead: '前面',
    cause: '起因',
  },
  daemonRuns: (pid, home, since) => `守护进程正在运行：pid ${pid}，主目录 ${home}，启动于 ${since}。`,
  daemonStopped: (pid, waiting) =>
    `守护进程（pid ${pid}）已在检查点停止。${waiting === 0 ? '' : `${waiting} 个传输未完成：它再次启动时会继续（longhaul daemon start，或下一条命令）。`}`,
  daemonAbsent: (home) => `${home} 没有守护进程在运行。下一条需要它的命令会启动它；longhaul daemon start 立即启动。`,
  daemonStarted: (pid) => `守护进程正在运行（pid ${pid}）。`,
  error: '错误',
  whatYouCanDo: '可以',
}

export function wordsOf(language: 'en' | 'zh'): Words {
  return language === 'zh' ? zh : en
}
