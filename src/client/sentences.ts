/**
 * What a person is told of a task, in English and Simplified Chinese. The daemon gives codes and values; the words are made
 * here, in the language of the process that asks. The Chinese terms are fixed: 任务 task · 会话 session · 暂停 hold ·
 * 挂起 suspend · 等待重试 back-off · 守护进程 daemon. Pure.
 */
import type { BlockerCode } from '../contract/explanation.ts'
import type { Phase } from '../contract/words.ts'

export type Language = 'en' | 'zh'

/** The values of a blocker, ready to be shown. */
export interface Values {
  /** What or who, when that is known. */
  readonly of: string | undefined
  /** A time of day, or a date and time. */
  readonly until: string | undefined
  /** Ready tasks that stand before this one. */
  readonly ahead: number | undefined
  /** A limit in bytes per second. */
  readonly rate: string | undefined
}

export interface Sentences {
  readonly phases: Readonly<Record<Phase, string>>
  /** Instead of the phase, where the next byte is overdue. */
  readonly silent: (since: string) => string
  readonly blockers: Readonly<Record<BlockerCode, (values: Values) => string>>
  readonly ended: { readonly well: string; readonly withCause: (cause: string) => string }
  /** An attempt that is under way, after one that failed. */
  readonly after: (phase: string, cause: string) => string
  readonly because: (blocker: string, cause: string) => string
  /** Stands between two reasons of one sentence. */
  readonly and: string
  /** What to do. @param needed of the disk, with its unit */
  readonly makeRoom: (folder: string | undefined, needed: string | undefined) => string
  readonly bringBack: (folder: string | undefined) => string
}

const en: Sentences = {
  phases: {
    preparing: 'It is being prepared.',
    suspended: 'The app has suspended it.',
    held: 'It is held by a person.',
    queued: 'It is next in the queue.',
    waiting: 'It waits.',
    connecting: 'It is connecting to the server, or has asked it and waits for the answer.',
    transferring: 'Bytes are arriving.',
    verifying: 'Everything has arrived; it is being verified.',
    delivering: 'It is verified and is being put in its place.',
    completed: 'It has ended.',
  },
  silent: (since) => `No byte has come since ${since}. If none does, this attempt ends as stalled.`,
  blockers: {
    suspended: () => 'The app has suspended it and must resume it.',
    held: () => 'A person holds it.',
    sessionHeld: () => 'A person holds the whole session.',
    dependency: ({ of }) => `It waits for the task ${of ?? 'that must succeed first'}.`,
    earliestBeginDate: ({ until }) => `It may not begin before ${until ?? 'its date'}.`,
    backoff: ({ until }) =>
      `The last attempt failed; it is tried again${until === undefined ? ' by itself' : ` at ${until}`}.`,
    serverAskedToWait: ({ of, until }) =>
      `${of ?? 'The server'} asked to wait${until === undefined ? '' : ` until ${until}`}.`,
    challenge: ({ of }) => `${of ?? 'The server'} asks for credentials that the app has to give.`,
    newRequest: () => 'Its address or token is no longer accepted; the app has to give a fresh one.',
    disk: ({ of }) =>
      `The disk${of === undefined ? '' : ` of ${of}`} has no room; it goes on by itself when there is some.`,
    destination: ({ of }) =>
      `The folder ${of ?? 'of the destination'} cannot be used: it is gone, or may not be written to. It goes on by itself when it can.`,
    quota: () => 'The quota of the session is used up by other transfers.',
    activeLimit: ({ ahead }) => `As many transfers as are allowed are running${aheadEn(ahead)}.`,
    hostLimit: ({ of, ahead, until }) =>
      until === undefined
        ? `As many connections as are allowed go to ${of ?? 'its server'}${aheadEn(ahead)}.`
        : `${of ?? 'Its server'} refused further connections${aheadEn(ahead)}. It starts when another one ends; from ${until} on one more is tried.`,
    bandwidth: ({ of, rate, until }) =>
      `Bytes are arriving, slowed down to ${rate ?? 'its part'} by ${limitEn(of)}${until === undefined ? '' : `, until ${until}`}.`,
    network: () => 'There is no network; it goes on by itself when there is one.',
    expensive: () => 'The network is metered, and the app asked to wait for another.',
    power: () => 'It waits for mains power.',
    discretionary: () => 'It gives way to other transfers.',
    callback: ({ of }) =>
      `The app's callback ${of ?? ''} has not returned or has failed; later events wait for it.`.replace('  ', ' '),
    launchWait: ({ until, of }) =>
      until === undefined
        ? `Its events wait for ${of ?? 'their app'}.`
        : of === undefined
          ? `Its app is launched at ${until}.`
          : `The last launch of its app came to nothing (${of}); the next is at ${until}.`,
    crashLoop: ({ until }) =>
      `The daemon ended three times while it ran, so it is parked${until === undefined ? '' : ` until ${until}`}.`,
    earlierAttempt: () => 'Its earlier attempt still closes its files; it starts when that is done.',
  },
  ended: { well: 'It has completed.', withCause: (cause) => `It ended: ${cause}` },
  after: (phase, cause) => `${phase} The attempt before ended: ${cause}`,
  because: (blocker, cause) => `${blocker} Cause: ${cause}`,
  and: ' ',
  makeRoom: (folder, needed) =>
    `Free some space on the disk${folder === undefined ? '' : ` of ${folder}`}${needed === undefined ? '' : `; ${needed} are still to come`}. It then goes on by itself.`,
  bringBack: (folder) =>
    `Bring back the folder${folder === undefined ? '' : ` ${folder}`}, or let it be written to. It then goes on by itself.`,
}

const zh: Sentences = {
  phases: {
    preparing: '正在准备。',
    suspended: '应用已将其挂起。',
    held: '已被人工暂停。',
    queued: '排在队列最前。',
    waiting: '正在等待。',
    connecting: '正在连接服务器，或已发出请求、等待应答。',
    transferring: '正在接收数据。',
    verifying: '数据已全部到达，正在校验。',
    delivering: '校验一致，正在放到目标位置。',
    completed: '已结束。',
  },
  silent: (since) => `自 ${since} 起没有收到数据；若一直没有，本次尝试将因停滞而结束。`,
  blockers: {
    suspended: () => '应用已将其挂起，需由应用恢复。',
    held: () => '已被人工暂停。',
    sessionHeld: () => '整个会话已被人工暂停。',
    dependency: ({ of }) => `正在等待${of === undefined ? '前置任务' : `任务 ${of} `}完成。`,
    earliestBeginDate: ({ until }) => `${until === undefined ? '指定时间' : ` ${until} `}之前不会开始。`.trimStart(),
    backoff: ({ until }) => `上次尝试失败，等待重试${until === undefined ? '' : `，时间 ${until}`}。`,
    serverAskedToWait: ({ of, until }) =>
      `${of === undefined ? '服务器' : `${of} `}要求等待${until === undefined ? '' : `到 ${until}`}。`,
    challenge: ({ of }) => `${of === undefined ? '服务器' : `${of} `}要求凭据，需由应用提供。`,
    newRequest: () => '地址或令牌已失效，需由应用提供新的。',
    disk: ({ of }) => `磁盘空间不足${of === undefined ? '' : `（${of}）`}，有空间后自动继续。`,
    destination: ({ of }) => `目标文件夹${of === undefined ? '' : ` ${of} `}不存在或不可写，恢复后自动继续。`,
    quota: () => '会话配额已被其他传输用完。',
    activeLimit: ({ ahead }) => `同时传输数已达上限${aheadZh(ahead)}。`,
    hostLimit: ({ of, ahead, until }) =>
      until === undefined
        ? `到${of === undefined ? '该服务器' : ` ${of} `}的连接数已达上限${aheadZh(ahead)}。`
        : `${of === undefined ? '该服务器' : `${of} `}拒绝了更多连接${aheadZh(ahead)}。有传输结束时开始，${until} 起再多试一个。`,
    bandwidth: ({ of, rate, until }) =>
      `正在接收数据，受${limitZh(of)}限速${rate === undefined ? '' : `（${rate}）`}${until === undefined ? '' : `，到 ${until} 为止`}。`,
    network: () => '没有网络，恢复后自动继续。',
    expensive: () => '当前网络按流量计费，应用要求等待其他网络。',
    power: () => '正在等待外接电源。',
    discretionary: () => '正在为其他传输让路。',
    callback: ({ of }) => `应用的回调${of === undefined ? '' : ` ${of} `}尚未返回或已失败，之后的事件在等它。`,
    launchWait: ({ until, of }) =>
      until === undefined
        ? `其事件正在等待${of === undefined ? '应用' : ` ${of}`}。`
        : of === undefined
          ? `应用将于 ${until} 启动。`
          : `上次启动应用未成功（${of}），将于 ${until} 再试。`,
    crashLoop: ({ until }) => `守护进程在其运行期间三次异常结束，因此暂缓${until === undefined ? '' : `到 ${until}`}。`,
    earlierAttempt: () => '上一次尝试仍在关闭文件，完成后开始。',
  },
  ended: { well: '已完成。', withCause: (cause) => `已结束：${cause}` },
  after: (phase, cause) => `${phase}上一次尝试的结果：${cause}`,
  because: (blocker, cause) => `${blocker}原因：${cause}`,
  and: '',
  makeRoom: (folder, needed) =>
    `释放${folder === undefined ? '磁盘' : ` ${folder} 所在磁盘的`}空间${needed === undefined ? '' : `（还需 ${needed}）`}，之后自动继续。`,
  bringBack: (folder) => `恢复目标文件夹${folder === undefined ? '' : ` ${folder} `}或其写权限，之后自动继续。`,
}

function limitEn(of: string | undefined): string {
  if (of === 'task') return 'its own bandwidth limit'
  return of === 'session' ? 'the bandwidth limit of its session' : 'the bandwidth limit of the daemon'
}

function limitZh(of: string | undefined): string {
  if (of === 'task') return '任务自身的'
  return of === 'session' ? '所在会话的' : '守护进程的'
}

function aheadEn(ahead: number | undefined): string {
  if (ahead === undefined || ahead === 0) return '; it is next'
  return ahead >= 10_000
    ? '; more than 10,000 tasks are before it'
    : `; ${ahead} ${ahead === 1 ? 'task is' : 'tasks are'} before it`
}

function aheadZh(ahead: number | undefined): string {
  if (ahead === undefined || ahead === 0) return '，下一个就是它'
  return ahead >= 10_000 ? '，前面有超过 10000 个任务' : `，前面有 ${ahead} 个任务`
}

export function sentencesIn(language: Language): Sentences {
  return language === 'zh' ? zh : en
}

/** By LC_ALL, LC_MESSAGES, LANG, the first that says something (POSIX). */
export function languageOf(env: Readonly<Record<string, string | undefined>>): Language {
  const locale = [env['LC_ALL'], env['LC_MESSAGES'], env['LANG']].find((value) => value !== undefined && value !== '')
  return locale?.toLowerCase().startsWith('zh') === true ? 'zh' : 'en'
}
