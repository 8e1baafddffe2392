// Draws what the demo tells by server-sent events. Nothing is asked back; the page can be opened at any moment.
const texts = await (await fetch('texts.json')).json()
document.documentElement.lang = texts.lang
for (const element of document.querySelectorAll('[data-text]')) element.textContent = texts[element.dataset.text]
const at = (id) => document.getElementById(id)
const bytes = (count) => (count < 1e6 ? `${Math.round(count / 1e3)} kB` : `${(count / 1e6).toFixed(2)} MB`)
const share = (fraction) => (fraction === undefined ? '' : `${Math.floor(fraction * 100)} %`)

function item(list, time, text) {
  const entry = document.createElement('li')
  const stamp = document.createElement('time')
  stamp.textContent = time
  const words = document.createElement('span')
  words.textContent = text
  entry.append(stamp, words)
  list.append(entry)
}

const events = new EventSource('events')
events.addEventListener('app', ({ data }) => {
  const app = JSON.parse(data)
  at('app').className = app.alive ? 'alive' : app.killed ? 'dead' : ''
  at('app-state').textContent = app.alive
    ? texts.alive
    : app.killed
      ? texts.killed
      : app.ended
        ? texts.ended
        : texts.notStarted
  at('app-pid').textContent = app.pid === undefined ? '' : `pid ${app.pid}`
  if (app.expected !== undefined) {
    at('app-bar').value = app.written / app.expected
    at('app-share').textContent = share(app.written / app.expected)
    at('app-bytes').textContent = `${bytes(app.written)} / ${bytes(app.expected)}`
  }
  if (app.picture && at('picture').hidden) {
    at('picture').src = 'picture.png'
    at('picture').alt = texts.pictureAlt
    at('picture').hidden = false
    at('picture').parentElement.className = 'full'
    at('frame').textContent = ''
  }
})
events.addEventListener('line', ({ data }) => {
  const { time, who, text } = JSON.parse(data)
  item(at(who === 'app' ? 'app-log' : 'story'), time, text)
  if (who === 'story') at('now').textContent = text
})
events.addEventListener('task', ({ data }) => {
  const task = JSON.parse(data)
  at('phase').textContent = task.phase
  at('daemon-pid').textContent = `pid ${task.daemonPid}`
  at('daemon-bar').value = task.fraction ?? 0
  at('daemon-share').textContent = share(task.fraction)
  at('rate').textContent = task.rate > 0 ? `${bytes(task.rate)}/s` : ''
  at('why').textContent = task.why
  at('tries').replaceChildren()
  for (const attempt of task.attempts) item(at('tries'), String(attempt.number), attempt.text)
})
events.addEventListener('verdict', ({ data }) => {
  const { ok, text } = JSON.parse(data)
  at('verdict').textContent = text
  at('verdict').className = ok ? 'ok' : 'bad'
  events.close()
})
