/**
 * `npm run job -- NAME` runs a job now, under its lease; `npm run job` lists the jobs with their schedules and last runs. The
 * exit status is 0 when the job has succeeded.
 */
import { JOB_LEASE_MS } from '../src/jobs/runJob.ts';
import { runNow } from '../src/jobs/runNow.ts';
import type { JobState } from '../src/models/JobState.ts';
import { readJobStates } from '../src/repositories/jobLeases.ts';
import type { Core } from '../src/runtimes/core.ts';
import { withCore } from './withCore.ts';

const [name, ...rest] = process.argv.slice(2);

if (rest.length > 0) {
  console.error('Usage: npm run job [-- NAME]');
  process.exitCode = 1;
} else {
  await withCore((core) => (name === undefined ? list(core) : run(core, name)));
}

async function run({ ctx, jobs, observer }: Core, wanted: string): Promise<number> {
  const job = jobs.find((candidate) => candidate.name === wanted);
  if (!job) {
    console.error(`There is no job "${wanted}": choose of ${jobs.map((candidate) => candidate.name).join(', ')}`);
    return 1;
  }
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  const ran = await runNow({ ctx, observer, leaseMs: JOB_LEASE_MS }, job, stopping.signal);
  if (ran.outcome === 'held') {
    console.error(
      `${wanted} is being run by ${ran.lease?.holder}, whose lease ends at ${ran.lease?.expiresAt.toISOString()}`,
    );
    return 1;
  }
  console.log(
    `${wanted} ${ran.outcome}${ran.error === undefined ? '' : `: ${ran.error}`}  ${countsOf(ran.result)}`.trim(),
  );
  return ran.outcome === 'succeeded' ? 0 : 1;
}

async function list({ ctx, jobs }: Core): Promise<number> {
  const states = new Map((await readJobStates(ctx)).map((state) => [state._id, state]));
  const now = ctx.clock.now();
  const rows = jobs.map(({ name: job, summary, schedule }) => {
    const state = states.get(job);
    return [job, schedule.pattern, lastRunOf(state), schedule.next(now).toISOString(), summary];
  });
  const table = [['job', 'schedule (UTC)', 'last run', 'next run', 'does'], ...rows];
  const widths = table.reduce<number[]>(
    (widest, row) => row.map((cell, i) => Math.max(cell.length, widest[i] ?? 0)),
    [],
  );
  for (const row of table)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  return 0;
}

function lastRunOf(state: JobState | undefined): string {
  const run = state?.lastRun;
  if (!run) return 'never';
  const told = run.error ?? countsOf(run.result);
  return `${run.startedAt.toISOString()} ${run.outcome} ${told}`.trim();
}

function countsOf(result: Record<string, number> | undefined): string {
  return Object.entries(result ?? {})
    .map(([what, count]) => `${what}=${count}`)
    .join(' ');
}
