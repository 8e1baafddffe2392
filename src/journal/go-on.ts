/** How a big command asks to be called again: each step is one commit, and others come in between. */
export class GoOn {
  readonly input: unknown
  constructor(input: unknown) {
    this.input = input
  }
}

export function goOn(input: unknown): GoOn {
  return new GoOn(input)
}
