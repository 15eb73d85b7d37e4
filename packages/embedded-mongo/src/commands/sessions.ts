import { randomUUID } from 'node:crypto';
import { Binary, Doc, type Value } from '../bson/values.ts';
import { failedToParse, MongoError } from '../errors.ts';
import { sessionOf } from '../server/retries.ts';
import { SESSION_MINUTES } from '../server/sessions.ts';
import { type CommandContext, listField, ok } from './context.ts';

const MAX_SESSIONS = 10_000;

/** Manual: reference/command/startSession. */
export function startSession({ engine }: CommandContext): Doc {
  const id = new Binary(Buffer.from(randomUUID().replaceAll('-', ''), 'hex'), 4);
  engine.sessions.use(Doc.of({ lsid: Doc.of({ id }) }));
  return ok({ id: Doc.of({ id }), timeoutMinutes: SESSION_MINUTES });
}

/** The sessions that a command names as `{id: UUID}`. */
function named({ command }: CommandContext): string[] {
  const field = command.keys[0] as string;
  const list = listField(command, field);
  if (list.length > MAX_SESSIONS) throw failedToParse(`${field} takes at most ${MAX_SESSIONS} sessions`);
  return list.map((lsid) => {
    const session = sessionOf(Doc.of({ lsid }));
    if (session !== undefined) return session;
    throw new MongoError(40414, `BSON field '${field}.id' is missing but a required field`);
  });
}

/** Manual: reference/command/refreshSessions. */
export function refreshSessions(context: CommandContext): Doc {
  const sessions = context.command.values[0];
  named(context);
  for (const lsid of sessions as Value[]) context.engine.sessions.use(Doc.of({ lsid }));
  return ok();
}

/** Manual: reference/command/endSessions. */
export function endSessions(context: CommandContext): Doc {
  for (const session of named(context)) {
    context.engine.sessions.end(session);
    context.engine.retries.forget(session);
  }
  return ok();
}

/** What the sessions have open ends; they themselves can be used again. */
function kill({ engine, connectionId }: CommandContext, sessions: readonly string[]): Doc {
  for (const session of sessions) {
    engine.sessions.end(session);
    for (const { id, context } of [...engine.runner.operations]) {
      if (context.connectionId !== connectionId && sessionOf(context.command) === session) {
        engine.runner.operations.kill(id);
      }
    }
  }
  return ok();
}

/** Manual: reference/command/killSessions. An empty list means all sessions. */
export function killSessions(context: CommandContext): Doc {
  const sessions = named(context);
  return kill(context, sessions.length > 0 ? sessions : context.engine.sessions.keys());
}

/** Manual: reference/command/killAllSessions. There is no authentication: a user's sessions are everybody's. */
export function killAllSessions(context: CommandContext): Doc {
  listField(context.command, 'killAllSessions');
  return kill(context, context.engine.sessions.keys());
}

/** Manual: reference/command/killAllSessionsByPattern: by `lsid`; patterns of users mean everybody. */
export function killAllSessionsByPattern(context: CommandContext): Doc {
  const patterns = listField(context.command, 'killAllSessionsByPattern');
  const sessions = patterns.flatMap((pattern) => {
    const session = pattern instanceof Doc ? sessionOf(pattern) : undefined;
    return session === undefined ? [] : [session];
  });
  return kill(context, sessions.length > 0 ? sessions : context.engine.sessions.keys());
}
