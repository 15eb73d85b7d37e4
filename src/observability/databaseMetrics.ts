import type { Connection } from 'mongoose';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type FinishedCommand, watchCommands } from './commandEvents.ts';
import { limited, oneOf } from './labels.ts';
import { type PoolState, type PoolWatch, watchPools } from './poolEvents.ts';
import { collectionsOf } from './vocabulary.ts';

const COMMANDS = [
  'find',
  'getMore',
  'killCursors',
  'findAndModify',
  'insert',
  'update',
  'delete',
  'bulkWrite',
  'aggregate',
  'count',
  'distinct',
  'create',
  'createIndexes',
  'listIndexes',
  'listCollections',
  'drop',
  'dropDatabase',
  'endSessions',
  'hello',
  'ping',
];
/** Seconds. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** Kinds of errors that are told apart. */
const MOST_CODES = 40;

/** Measures what is asked of the database, and how its connections fare. */
export function databaseMetrics(registry: Registry) {
  const registers = [registry];
  const duration = new Histogram({
    name: 'artifex_database_command_duration_seconds',
    help: 'Commands to the database, answered or not, by how long they took; without waits for changes',
    labelNames: ['command', 'collection'] as const,
    buckets: BUCKETS,
    registers,
  });
  const errors = new Counter({
    name: 'artifex_database_errors_total',
    help: "Errors of commands and writes, by MongoDB's code or the driver's name for them",
    labelNames: ['command', 'code'] as const,
    registers,
  });
  const slow = new Counter({
    name: 'artifex_database_slow_commands_total',
    help: 'Commands that took SLOW_QUERY_MS or longer',
    labelNames: ['command', 'collection'] as const,
    registers,
  });
  const failures = new Counter({
    name: 'artifex_database_pool_checkout_failures_total',
    help: 'Commands that got no connection',
    registers,
  });
  const pools = new Set<PoolWatch>();
  const sum = (part: keyof PoolState) => [...pools].reduce((total, pool) => total + pool.state()[part], 0);
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('artifex_database_pool_size', 'Open connections to the database', () => sum('size'));
  gauge('artifex_database_pool_checked_out', 'Connections that a command has', () => sum('checkedOut'));
  gauge('artifex_database_pool_waiting', 'Commands that wait for a connection', () => sum('waiting'));

  const commandLabel = oneOf(COMMANDS);
  const codeLabel = limited(MOST_CODES);

  return {
    /** @param isSlow told of each command that was no wait; what it does with it is its own business */
    watch(connection: Connection, isSlow: (command: FinishedCommand) => boolean): void {
      const collectionLabel = oneOf(['', ...collectionsOf(connection)]);
      const measure = (finished: FinishedCommand) => {
        const labels = { command: commandLabel(finished.name), collection: collectionLabel(finished.collection) };
        for (const code of finished.errors) errors.inc({ command: labels.command, code: codeLabel(String(code)) });
        if (finished.isWait) return;
        duration.observe(labels, finished.seconds);
        if (isSlow(finished)) slow.inc(labels);
      };
      watchCommands(connection, () => measure);
      const pool = watchPools(connection, () => failures.inc());
      connection.on('connected', () => pools.add(pool));
      connection.on('close', () => pools.delete(pool));
    },
  };
}
