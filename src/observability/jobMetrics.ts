import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Seconds. */
const BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800];

/** Measures what runs by itself: the jobs, the sweep and the settlement behind the requests. Their names come from the code. */
export function jobMetrics(registry: Registry) {
  const registers = [registry];
  const runs = new Counter({
    name: 'artifex_job_runs_total',
    help: 'Runs of jobs by this process, by how they ended',
    labelNames: ['job', 'outcome'] as const,
    registers,
  });
  const seconds = new Histogram({
    name: 'artifex_job_duration_seconds',
    help: 'How long runs of jobs took',
    labelNames: ['job'] as const,
    buckets: BUCKETS,
    registers,
  });
  const work = new Counter({
    name: 'artifex_job_work_total',
    help: 'What runs of jobs have done, by what their result counts',
    labelNames: ['job', 'what'] as const,
    registers,
  });
  const succeeded = new Gauge({
    name: 'artifex_job_last_success_timestamp_seconds',
    help: 'When a job succeeded last in any process, as far as this one has seen',
    labelNames: ['job'] as const,
    registers,
  });

  return {
    jobEnded(job: string, outcome: string, took: number, result: Readonly<Record<string, number>> = {}): void {
      runs.inc({ job, outcome });
      seconds.observe({ job }, took);
      for (const [what, count] of Object.entries(result)) work.inc({ job, what }, count);
    },
    jobSucceededAt(job: string, at: Date): void {
      succeeded.set({ job }, at.getTime() / 1000);
    },
  };
}
