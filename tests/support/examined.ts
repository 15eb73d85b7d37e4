import type { Connection } from 'mongoose';
import { plansOf, queriesDuring } from './queries.ts';

/** How many documents the queries of `action` examine, as the database explains them when each is sent again. */
export async function examinedDuring(connection: Connection, action: () => Promise<unknown>): Promise<number> {
  const { commands } = await queriesDuring(connection, [], action);
  const plans = await plansOf(connection, commands);
  return plans.reduce((sum, { examined }) => sum + examined, 0);
}
