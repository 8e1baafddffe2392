/** What the demo says, in English and Simplified Chinese. */

export interface Texts {
  readonly lang: 'en' | 'zh-Hans'
  readonly title: string
  readonly otherLanguage: string
  readonly preparing: string
  readonly painting: (size: string, server: string, rate: string, daemon: number) => string
  readonly page: (url: string) => string
  readonly progress: (percent: number, rate: string, left: string) => string
  readonly killed: string
  readonly killedLine: (percent: number) => string
  readonly cut: (percent: number) => string
  readonly waits: string
  readonly resumed: (offset: string) => string
  readonly whole: string
  readonly exits: (code: number) => string
  readonly verdict: (alive: string, total: string, sent: string, size: string, events: string) => string
  readonly broken: (claims: string) => string
  readonly next: string
  readonly theApp: string
  readonly theDaemon: string
  readonly emptyFrame: string
  readonly why: string
  readonly tries: string
  readonly alive: string
  readonly ended: string
  readonly notStarted: string
  readonly pictureAlt: string
}

const en: Texts = {
  lang: 'en',
  title: 'Longhaul demo: a download that outlives its app',
  otherLanguage: '中文: npm run demo -- --lang zh',
  preparing: 'Painting a picture and starting a daemon of its own …',
  painting: (size, server, rate, daemon) => `daemon pid ${daemon}, a picture of ${size}, server ${server}, ${rate}`,
  page: (url) => `the same as a page: ${url}`,
  progress: (percent, rate, left) => `didWriteData ${String(percent).padStart(3)} %  ${rate}  ${left} left`,
  killed: 'killed',
  killedLine: (percent) => `SIGKILL at ${percent} %. The app is dead; the daemon goes on.`,
  cut: (percent) => `the server cuts the line at ${percent} %`,
  waits: 'the daemon waits a moment, then tries again by itself',
  resumed: (offset) => `it goes on at ${offset} (Range, If-Range "9f2c", 206 checked)`,
  whole: 'all bytes are here and nobody is attached: the daemon launches the app',
  exits: (code) => `exits by itself, code ${code}`,
  verdict: (alive, total, sent, size, events) =>
    `app alive ${alive} of ${total} · sent ${sent} for a file of ${size} · events ${events} once each · file equals source`,
  broken: (claims) => `NOT TRUE: ${claims}`,
  next: 'Next: npx longhaul get URL · examples/ · longhaul help',
  theApp: 'The app',
  theDaemon: 'The daemon',
  emptyFrame: 'The picture will be here.',
  why: 'Why',
  tries: 'Tries',
  alive: 'running',
  ended: 'ended by itself',
  notStarted: 'not started',
  pictureAlt: 'A sunrise over ridges: the file that was downloaded',
}

const zh: Texts = {
  lang: 'zh-Hans',
  title: 'Longhaul 演示：比应用活得更久的下载',
  otherLanguage: 'English: npm run demo -- --lang en',
  preparing: '正在画一幅图片，并启动自己的守护进程 …',
  painting: (size, server, rate, daemon) =>
    `一幅 ${size} 的图片，服务器 ${server}，速度 ${rate}，守护进程 (daemon pid ${daemon})`,
  page: (url) => `同样的内容在网页上：${url}`,
  progress: (percent, rate, left) => `didWriteData ${String(percent).padStart(3)} %  ${rate}  剩余 ${left}`,
  killed: '已被杀死',
  killedLine: (percent) => `在 ${percent} % 处 SIGKILL。应用已死；守护进程继续传输。`,
  cut: (percent) => `服务器在 ${percent} % 处切断连接`,
  waits: '守护进程稍等片刻，然后自行重试',
  resumed: (offset) => `断点续传，从 ${offset} 继续（Range，If-Range "9f2c"，206 已核对）`,
  whole: '全部字节已到，没有应用连接：守护进程启动应用',
  exits: (code) => `自行退出，代码 ${code}`,
  verdict: (alive, total, sent, size, events) =>
    `应用存活 ${alive} / ${total} · 为 ${size} 的文件发送了 ${sent} · 事件 ${events} 各一次 · 文件与原件相同`,
  broken: (claims) => `不成立：${claims}`,
  next: '接下来：npx longhaul get URL · examples/ · longhaul help',
  theApp: '应用',
  theDaemon: '守护进程',
  emptyFrame: '图片将显示在这里。',
  why: '原因',
  tries: '尝试',
  alive: '运行中',
  ended: '已自行结束',
  notStarted: '未启动',
  pictureAlt: '群山日出：下载得到的文件',
}

export function textsOf(lang: string | undefined): Texts {
  return lang?.toLowerCase().startsWith('zh') === true ? zh : en
}
