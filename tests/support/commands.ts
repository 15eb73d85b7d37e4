import type { Connection } from 'mongoose';

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
