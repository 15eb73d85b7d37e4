import { Binary, DateTime, Doc } from '../bson/values.ts';
import { sessionOf } from './retries.ts';

/** Manual: reference/server-sessions: a session that is not used for so long is over. */
export const SESSION_MINUTES = 30;
const IDLE_MS = SESSION_MINUTES * 60_000;
/** The digest of the empty name: there is no authentication, so that all sessions belong to nobody. */
const NOBODY = new Binary(Buffer.from('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', 'base64'));

/** How often sessions that are over are looked for. */
const LOOK_MS = 1000;

/** From here on, those that have been closed are looked for. */
const MANY = 32;

/** A session's id as the server shows it: with the digest of its user. */
export function sessionId(key: string): Doc {
  return Doc.of({ id: new Binary(Buffer.from(key, 'latin1'), 4), uid: NOBODY });
}

interface Session {
  lastUse: number;
  /** Made when it opens the first. */
  cursors: Set<bigint> | undefined;
}

/** The logical sessions that clients use. */
export class Sessions {
  private readonly sessions = new Map<string, Session>();
  private lastLook = Number.NEGATIVE_INFINITY;
  /** Whether a cursor is still there. */
  isOpen: (cursor: bigint) => boolean = () => true;
  /** Called with a session that is over, and its cursors. */
  onEnd: (session: string, cursors: Iterable<bigint>) => void = () => {};

  /** A command of a session has come. */
  use(command: Doc, now = Date.now()): void {
    const key = sessionOf(command);
    if (key === undefined) return;
    const session = this.sessions.get(key);
    if (session === undefined) this.sessions.set(key, { lastUse: now, cursors: undefined });
    else session.lastUse = now;
    if (now - this.lastLook >= LOOK_MS) this.endIdle(now);
  }

  private endIdle(now: number): void {
    this.lastLook = now;
    for (const [key, { lastUse }] of [...this.sessions]) if (now - lastUse >= IDLE_MS) this.end(key);
  }

  /** A cursor lives no longer than the session that opened it. */
  noteCursor(command: Doc, reply: Doc): void {
    const cursor = reply.get('cursor');
    const id = cursor instanceof Doc ? cursor.get('id') : undefined;
    if (typeof id !== 'bigint' || id === 0n) return;
    const key = sessionOf(command);
    const session = key === undefined ? undefined : this.sessions.get(key);
    if (session === undefined) return;
    session.cursors ??= new Set();
    const { cursors } = session;
    if (cursors.size >= MANY) for (const other of cursors) if (!this.isOpen(other)) cursors.delete(other);
    cursors.add(id);
  }

  end(key: string): void {
    const session = this.sessions.get(key);
    this.sessions.delete(key);
    this.onEnd(key, session?.cursors ?? []);
  }

  keys(): string[] {
    return [...this.sessions.keys()];
  }

  /** Manual: reference/operator/aggregation/listLocalSessions. */
  list(): Doc[] {
    return [...this.sessions].map(([key, { lastUse }]) => {
      return Doc.of({ _id: sessionId(key), lastUse: new DateTime(lastUse) });
    });
  }
}
