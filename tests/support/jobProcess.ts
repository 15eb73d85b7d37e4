/**
 * A process that runs one job by its schedule, over the database of `MONGODB_URI`. Each run is a document of the collection
 * `runs`; with `JOB_HANGS` it then never ends.
 */
import mongoose from 'mongoose';
import { connectDB } from '../../src/config/database.ts';
import { createLog } from '../../src/config/log.ts';
import { systemClock } from '../../src/domain/clock.ts';
import { scheduleOf } from '../../src/jobs/schedule.ts';
import { startScheduler } from '../../src/jobs/scheduler.ts';
import { createModels } from '../../src/models/index.ts';
import { readJobState } from '../../src/repositories/jobLeases.ts';

const { MONGODB_URI: uri, JOB_PATTERN: pattern, JOB_LEASE_MS: lease, JOB_HANGS: hangs } = process.env;
if (uri === undefined || pattern === undefined) throw new Error('MONGODB_URI and JOB_PATTERN are needed');

const clock = systemClock();
const connection = mongoose.createConnection();
const store = { models: createModels(connection, clock), clock };
const log = createLog({ level: 'warn', write: (line) => console.error(line) });
await connectDB({ uri, connection, attempts: 3 });

const scheduler = startScheduler({
  ctx: { ...store, log },
  observer: { jobEnded() {}, jobSucceededAt() {} },
  leaseMs: Number(lease),
  tickMs: 20,
  jobs: [
    {
      name: 'work',
      summary: 'Works.',
      schedule: scheduleOf(pattern),
      async run() {
        const state = await readJobState(store, 'work');
        const run = { instant: state?.startedFor, fence: state?.fence, at: clock.now(), pid: process.pid };
        await connection.collection('runs').insertOne({ ...run });
        console.log(JSON.stringify({ running: run }));
        if (hangs !== undefined) await new Promise(() => {});
        return { done: 1 };
      },
    },
  ],
});

process.on('SIGTERM', async () => {
  await scheduler.stop();
  await connection.close();
  process.exit(0);
});
console.log(JSON.stringify({ started: process.pid }));
