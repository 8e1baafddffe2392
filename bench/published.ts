/**
 * The package as it is published: built, and laid into a folder of its own. A checkout runs its source, and what strips the types
 * from that costs a daemon some 36 MiB and a command a tenth of a second, which no user pays.
 */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildPackage } from '../tools/build-package.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

export class Published {
  readonly #folder: string
  #made = false

  /** @param folder where it may be made */
  constructor(folder: string) {
    this.#folder = join(folder, 'longhaul')
  }

  /** The command. */
  get command(): string {
    return this.#path('bin/longhaul.js')
  }

  /** A program of `bench/programs`; it finds the package by its name. */
  program(name: string): string {
    return this.#path(`programs/${name}`)
  }

  #path(file: string): string {
    this.#make()
    return join(this.#folder, file)
  }

  #make(): void {
    if (this.#made) return
    this.#made = true
    mkdirSync(this.#folder)
    for (const part of ['bin', 'package.json']) cpSync(join(root, part), join(this.#folder, part), { recursive: true })
    cpSync(join(root, 'bench', 'programs'), join(this.#folder, 'programs'), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(this.#folder, 'node_modules'))
    if (!buildPackage(join(this.#folder, 'dist'))) throw new Error('the package could not be built')
  }
}
