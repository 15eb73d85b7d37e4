import type { Connection } from 'mongoose';

/** What a connection opened with `monitorCommands` has sent. */
export interface Sent {
  commands: number;
  /** Answers that tell of an error, such as a conflict of writes: what was asked has to be done again. */
  errors: number;
}

/** Counts what is sent while `action` runs. */
export async function sentDuring(connection: Connection, action: () => Promise<unknown>): Promise<Sent> {
  const sent: Sent = { commands: 0, errors: 0 };
  const started = ({ commandName }: { commandName: string }) => {
    // The driver ends sessions that it has no use for whenever it likes.
    if (commandName !== 'endSessions') sent.commands += 1;
  };
  const succeeded = ({ reply }: { reply: unknown }) => {
    if (typeof reply === 'object' && reply !== null && 'writeErrors' in reply) sent.errors += 1;
  };
  const failed = ({ commandName }: { commandName: string }) => {
    // A transaction that met a conflict is over already when the driver ends it.
    if (commandName !== 'abortTransaction') sent.errors += 1;
  };
  const client = connection.getClient();
  client.on('commandStarted', started).on('commandSucceeded', succeeded).on('commandFailed', failed);
  try {
    await action();
  } finally {
    client.off('commandStarted', started).off('commandSucceeded', succeeded).off('commandFailed', failed);
  }
  return sent;
}
