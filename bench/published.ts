/**
 * The package as it is published: built, and laid into a folder of its own. A checkout runs its source, and what strips the types
 * from that costs a daemon some 36 MiB and a command a tenth of a second, which no user pays.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
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

  /** A program of `bench/programs`, without its types; it finds the package by its name. */
  program(name: string): string {
    this.#make()
    return this.#programPath(name)
  }

  #programPath(name: string): string {
    return join(this.#folder, 'programs', name.replace(/ts$/, 'js'))
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
    mkdirSync(join(this.#folder, 'programs'))
    const programs = join(root, 'bench', 'programs')
    for (const name of readdirSync(programs))
      writeFileSync(this.#programPath(name), stripTypeScriptTypes(readFileSync(join(programs, name), 'utf8')))
    symlinkSync(join(root, 'node_modules'), join(this.#folder, 'node_modules'))
    if (!buildPackage(join(this.#folder, 'dist'))) throw new Error('the package could not be built')
  }
}
