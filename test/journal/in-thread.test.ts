import { createJournal } from '../../src/journal/in-thread.ts'
import { openStore } from '../../src/journal/open.ts'
import { journalSuite } from '../suites/journal.ts'

journalSuite('in the calling thread', (path) => Promise.resolve(createJournal(openStore(path))))
