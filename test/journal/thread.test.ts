import { openJournalThread } from '../../src/journal/thread.ts'
import { journalSuite } from '../suites/journal.ts'

journalSuite('in its own thread', openJournalThread)
