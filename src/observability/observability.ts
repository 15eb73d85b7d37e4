import type { Connection } from 'mongoose';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Log } from '../config/log.ts';
import { cacheMetrics } from './cacheMetrics.ts';
import { databaseMetrics } from './databaseMetrics.ts';
import { httpMetrics } from './httpMetrics.ts';
import { inboxMetrics } from './inboxMetrics.ts';
import { jobMetrics } from './jobMetrics.ts';
import { ledgerMetrics } from './ledgerMetrics.ts';
import { queueMetrics } from './queueMetrics.ts';
import { quotaAlerts } from './quotaAlerts.ts';
import { slowQueryLog } from './slowQueries.ts';
import { streamMetrics } from './streamMetrics.ts';
import type { Tracing } from './tracing/tracing.ts';
import { webhookMetrics } from './webhookMetrics.ts';

export interface Exposition {
  contentType: string;
  text: string;
}

/**
 * Everything that an application tells of itself but its log. It has a registry of its own, so that several applications in one
 * process do not count together; on Workers an isolate is one.
 */
export type Observability = ReturnType<typeof createObservability>;

interface Options {
  log: Log;
  slowQueryMs: number;
  tracing?: Tracing | null;
}

export function createObservability({ log, slowQueryMs, tracing = null }: Options) {
  const registry = new Registry();
  const database = databaseMetrics(registry);

  return {
    /** Null where nothing is traced. */
    tracing,
    jobs: jobMetrics(registry),
    webhooks: webhookMetrics(registry),
    entryRecorded: ledgerMetrics(registry),
    alertQuota: quotaAlerts(registry, log),
    requestAnswered: httpMetrics(registry),
    cacheLookedUp: cacheMetrics(registry),
    queue: queueMetrics(registry, log),
    inbox: inboxMetrics(registry, log),
    streamsChanged: streamMetrics(registry),
    /** Measures a connection's commands and pools. Before it is opened, with `monitorCommands`. */
    watchConnection(connection: Connection): void {
      database.watch(connection, slowQueryLog(connection, log, slowQueryMs));
      tracing?.watchConnection(connection);
    },
    /** Adds what the runtime tells of the process: event loop, processor, memory, files. For runtimes that have a process. */
    watchProcess(): void {
      collectDefaultMetrics({ register: registry });
    },
    /** In Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
    async exposition(): Promise<Exposition> {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}
