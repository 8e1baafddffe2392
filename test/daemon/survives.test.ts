import assert from 'node:assert/strict'
import test from 'node:test'
import { judgeSurvival, type Whereabouts } from '../../src/daemon/survives.ts'

const login = '0::/user.slice/user-1000.slice/user@1000.service/app.slice'

function judge(change: Partial<Whereabouts>): string {
  return judgeSurvival({ env: {}, controlGroups: '', containerFile: false, tethered: false, ...change })
}

test('the unit that is started at boot is installed, a login and a unit of our own are on demand', () => {
  assert.equal(judge({ env: { LONGHAUL_INSTALLED: '1' }, controlGroups: `${login}/longhaul.service` }), 'installed')
  assert.equal(judge({ controlGroups: `${login}/longhaul-0123456789ab.service\n` }), 'on demand')
  assert.equal(judge({ controlGroups: `${login}/app-gnome-terminal-1234.scope\n` }), 'on demand')
  assert.equal(judge({ controlGroups: '0::/user.slice/user-1000.slice/session-3.scope\n' }), 'on demand')
  assert.equal(judge({ controlGroups: '0::/user.slice/user-1000.slice/user@1000.service/init.scope' }), 'on demand')
  assert.equal(judge({}), 'on demand')
})

test('a container and the control group of a foreign service tether the daemon to them', () => {
  assert.equal(judge({ controlGroups: '0::/system.slice/my-app.service\n' }), 'tethered')
  assert.equal(judge({ controlGroups: `${login}/my-app.service\n` }), 'tethered')
  assert.equal(judge({ containerFile: true, controlGroups: '0::/\n' }), 'tethered')
  assert.equal(judge({ env: { container: 'podman' } }), 'tethered')
  assert.equal(judge({ controlGroups: '12:cpu:/kubepods/besteffort/pod1/abc\n' }), 'tethered')
  assert.equal(judge({ tethered: true, env: { LONGHAUL_INSTALLED: '1' } }), 'tethered')
})
