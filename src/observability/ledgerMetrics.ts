import { Counter, type Registry } from 'prom-client';

/** Counts what moves credits. The kinds are those of the ledger. */
export function ledgerMetrics(registry: Registry) {
  const registers = [registry];
  const entries = new Counter({
    name: 'artifex_ledger_entries_total',
    help: 'Charges, refunds, resets and grants that this process has written into the ledger',
    labelNames: ['kind'] as const,
    registers,
  });
  const credits = new Counter({
    name: 'artifex_ledger_credits_total',
    help: 'Credits that they have moved',
    labelNames: ['kind'] as const,
    registers,
  });
  return function entryRecorded(entry: { kind: string; credits: number }): void {
    entries.inc({ kind: entry.kind });
    credits.inc({ kind: entry.kind }, entry.credits);
  };
}
