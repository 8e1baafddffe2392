import type { App } from './stage.ts'

/**
 * What a user does about tasks that were left alone because the daemon ended three times while they ran.
 * @returns how many there were
 */
export function tryParkedNow(app: App): Promise<number> {
  return app.run(async ({ session, all }) => {
    let tried = 0
    for (const { id } of await all(session.tasks({ group: 'waiting' }))) {
      const task = (await session.task(id))!
      const { blockers, remedies, nextWakeUp, why } = await task.explain()
      if (!blockers.some(({ code }) => code === 'crashLoop')) continue
      const helps = remedies.some(({ action }) => action === 'tryNow')
      if (!helps || nextWakeUp === undefined) throw new Error(`parked without a remedy or a wake-up: ${why}`)
      await task.tryNow()
      tried++
    }
    return tried
  })
}
