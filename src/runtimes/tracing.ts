import type { Env } from '../config/env.ts';
import type { Log } from '../config/log.ts';
import type { Tracing } from '../observability/tracing/tracing.ts';

/** Null unless the environment names a collector: OpenTelemetry's code is then not even loaded. */
export async function openTracing({ tracing }: Env, log: Log): Promise<Tracing | null> {
  if (!tracing) return null;
  const { createTracing } = await import('../observability/tracing/createTracing.ts');
  return createTracing(tracing, log);
}
