/** How a launched app knows that it was launched: a ticket in its environment, not its pid. Written by `delivery/launches`, read by `client/launched`. */

/** Environment variable that holds a {@link LaunchTicket} as JSON. The client removes it from `process.env` at the first read. */
export const launchVariable = 'LONGHAUL_LAUNCH'

/** JSON in {@link launchVariable}. */
export interface LaunchTicket {
  /** Shown in the handshake of `session.open`; worthless to anybody but the launched process. */
  readonly token: string
  /** Sessions that share the launch command and have events, or wait for their app. */
  readonly sessions: readonly string[]
}
