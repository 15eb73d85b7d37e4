import type { Connection } from 'mongoose';
import { z } from 'zod';

/** Names of commands that the driver sends for itself. */
const OWN = new Set(['hello', 'isMaster', 'ismaster', 'ping', 'endSessions']);

/**
 * The names of the commands that reach the database while `action` runs, as the driver's own monitoring tells them
 * (https://www.mongodb.com/docs/drivers/node/current/monitoring-and-logging/monitoring/).
 */
export async function commandsDuring(connection: Connection, action: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = [];
  const note = ({ commandName }: { commandName: string }) => {
    if (!OWN.has(commandName)) names.push(commandName);
  };
  const client = connection.getClient();
  client.on('commandStarted', note);
  try {
    await action();
  } finally {
    client.off('commandStarted', note);
  }
  return names;
}

const batch = z.array(z.looseObject({ slots: z.array(z.unknown()).default([]) }));
const cursorReply = z.object({ cursor: z.object({ firstBatch: batch.default([]), nextBatch: batch.default([]) }) });

/** What `action` gives, and how many quarter-hours of rolled up days came from the database while it ran. */
export async function slotsReadDuring<Result>(
  connection: Connection,
  action: () => Promise<Result>,
): Promise<{ result: Result; slots: number }> {
  let slots = 0;
  const note = ({ reply }: { reply: unknown }) => {
    const { success, data } = cursorReply.safeParse(reply);
    if (success) for (const day of [...data.cursor.firstBatch, ...data.cursor.nextBatch]) slots += day.slots.length;
  };
  const client = connection.getClient();
  client.on('commandSucceeded', note);
  try {
    const result = await action();
    return { result, slots };
  } finally {
    client.off('commandSucceeded', note);
  }
}
