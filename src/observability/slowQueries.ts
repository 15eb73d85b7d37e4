import type { Connection } from 'mongoose';
import type { Log } from '../config/log.ts';
import type { FinishedCommand } from './commandEvents.ts';
import { shapeOf } from './shape.ts';
import { vocabularyOf } from './vocabulary.ts';

/**
 * Logs the commands that took `thresholdMs` or longer, by their shape: the log never holds what was asked for.
 *
 * @returns whether a command was slow
 */
export function slowQueryLog(connection: Connection, log: Log, thresholdMs: number) {
  let vocabulary: ReadonlySet<string> | undefined;
  return function logIfSlow({ name, collection, seconds, command, errors }: FinishedCommand): boolean {
    const milliseconds = Math.round(seconds * 1000);
    if (milliseconds < thresholdMs) return false;
    vocabulary ??= vocabularyOf(connection);
    const known = vocabulary;
    const shape = shapeOf(command, (segment) => known.has(segment));
    log.warn('slow query', {
      command: name,
      collection,
      milliseconds,
      shape,
      ...(errors.length > 0 && { errors: errors.join(' ') }),
    });
    return true;
  };
}
