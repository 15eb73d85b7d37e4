import type { Connection } from 'mongoose';

/** A command that is sent. */
export interface BegunCommand {
  name: string;
  /** Empty for a command that is about no collection. */
  collection: string;
}

/** A command that has been answered, or has not. */
export interface FinishedCommand extends BegunCommand {
  seconds: number;
  /** The server was to answer when there is something to tell: how long it took says nothing of how it fares. */
  isWait: boolean;
  /** As it was sent. It holds values: nothing of it may be kept or shown but its shape. */
  command: Readonly<Record<string, unknown>>;
  /** MongoDB's codes of whatever went wrong, or the name of the error where no server has answered. */
  errors: readonly (number | string)[];
}

type Told = (command: FinishedCommand) => void;
type Fields = Readonly<Record<string, unknown>>;

/** What is used of the driver's events. */
interface Started {
  requestId: number;
  commandName: string;
  command: Fields;
}
interface Ended {
  requestId: number;
}

/**
 * Tells of every command of a connection that was opened with `monitorCommands`
 * (https://www.mongodb.com/docs/drivers/node/current/monitoring-and-logging/monitoring/#command-monitoring).
 *
 * @param begun told of a command where it is sent; returns what is to be told of its end
 */
export function watchCommands(connection: Connection, begun: (command: BegunCommand) => Told | undefined): void {
  // The driver's own durations are whole milliseconds.
  const underWay = new Map<number, BegunCommand & { command: Fields; at: number; told: Told }>();

  function end({ requestId }: Ended, errors: (number | string)[]): void {
    const started = underWay.get(requestId);
    if (!started) return;
    underWay.delete(requestId);
    const { name, collection, command, at, told } = started;
    const seconds = (performance.now() - at) / 1000;
    told({ name, collection, seconds, isWait: isWait(name, command), command, errors });
  }

  connection.on('commandStarted', ({ requestId, commandName: name, command }: Started) => {
    const collection = collectionOf(name, command);
    const told = begun({ name, collection });
    if (told) underWay.set(requestId, { name, collection, command, at: performance.now(), told });
  });
  connection.on('commandSucceeded', (ended: Ended & { reply: unknown }) => end(ended, errorsIn(ended.reply)));
  connection.on('commandFailed', (ended: Ended & { failure: Error }) => end(ended, [codeOf(ended.failure)]));
}

/** A command names its collection under its own name; one that goes on with a cursor, under `collection`. */
function collectionOf(name: string, command: Fields): string {
  const own = command[name];
  if (typeof own === 'string') return own;
  return typeof command['collection'] === 'string' ? command['collection'] : '';
}

/**
 * Does it ask for what comes next in a change stream, or behind the end of a capped collection? A `getMore` has a time limit for those
 * cursors alone (https://www.mongodb.com/docs/manual/reference/command/getMore/).
 */
function isWait(name: string, command: Fields): boolean {
  return name === 'getMore' && command['maxTimeMS'] !== undefined;
}

/** A reply may be `ok` and still tell of writes that were refused. */
function errorsIn(reply: unknown): number[] {
  if (!isFields(reply)) return [];
  const { writeErrors, writeConcernError } = reply;
  const all = [...(Array.isArray(writeErrors) ? writeErrors : []), ...(writeConcernError ? [writeConcernError] : [])];
  return all.flatMap((error: unknown) => (isFields(error) && typeof error['code'] === 'number' ? [error['code']] : []));
}

function codeOf(failure: Error): number | string {
  return 'code' in failure && typeof failure.code === 'number' ? failure.code : failure.name;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
