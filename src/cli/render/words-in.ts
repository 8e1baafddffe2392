import type { Words } from './words.ts'
import { en } from './words-en.ts'
import { zh } from './words-zh.ts'

export function wordsIn(language: 'en' | 'zh'): Words {
  return language === 'zh' ? zh : en
}
