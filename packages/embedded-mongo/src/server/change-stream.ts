import type { Doc } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Stream } from '../plan/stream.ts';
import { type ChangeEvent, comparePositions, type History, type Position } from '../storage/history.ts';
import { encodeToken, type ResumePoint } from './resume-token.ts';

/** What a change stream looks at: one collection, one database or everything. */
export interface Watched {
  readonly scope: 'collection' | 'database' | 'cluster';
  /** The name of the collection or of the database. */
  readonly name: string;
  readonly showExpandedEvents: boolean;
}

const EXPANDED = new Set(['create', 'createIndexes', 'dropIndexes', 'modify']);

export type Render = (event: ChangeEvent, token: Doc) => Doc;

/** The events of a change stream as a stream of documents; it has an end for now whenever it has caught up. */
export class ChangeStream implements Stream {
  /** An event has ended the stream: the watched collection or database is gone. */
  isInvalidated = false;
  private position: Position;
  private pending: ChangeEvent | undefined;
  private readonly history: History;
  private readonly watched: Watched;
  private readonly render: Render;

  constructor(history: History, watched: Watched, start: ResumePoint, render: Render) {
    this.history = history;
    this.watched = watched;
    this.position = start.position;
    this.render = render;
    this.checkReach();
    // Resumed after the event that ends the stream, all that follows is the end.
    const last = start.kind === 'event' ? history.at(start.position) : undefined;
    if (last !== undefined && this.concerns(last) && this.ends(last)) this.pending = last;
  }

  next(): Doc | undefined {
    if (this.isInvalidated) return undefined;
    const ending = this.pending;
    if (ending !== undefined) {
      this.isInvalidated = true;
      return this.render({ ...ending, kind: 'invalidate' }, encodeToken(ending, 'invalidate'));
    }
    this.checkReach();
    for (;;) {
      const event = this.history.after(this.position);
      if (event === undefined) return undefined;
      this.position = event;
      if (!this.concerns(event)) continue;
      if (this.ends(event)) this.pending = event;
      if (event.kind === 'dropDatabase' && this.watched.scope === 'collection') continue;
      return this.render(event, encodeToken(event, 'event'));
    }
  }

  private checkReach(): void {
    if (comparePositions(this.position, this.history.oldest) >= 0) return;
    throw new MongoError(
      ErrorCode.ChangeStreamHistoryLost,
      'Resume of change stream was not possible, as the resume point may no longer be in the oplog.',
    );
  }

  private concerns({ kind, namespace, to }: ChangeEvent): boolean {
    const { scope, name, showExpandedEvents } = this.watched;
    if (!showExpandedEvents && EXPANDED.has(kind)) return false;
    if (scope === 'cluster') return true;
    if (scope === 'database') return kind === 'dropDatabase' ? namespace === name : namespace.startsWith(`${name}.`);
    return namespace === name || to === name;
  }

  /** Manual: reference/change-events/invalidate. */
  private ends({ kind }: ChangeEvent): boolean {
    const { scope } = this.watched;
    if (scope === 'collection') return kind === 'drop' || kind === 'rename';
    return scope === 'database' && kind === 'dropDatabase';
  }

  /** A token from which everything that is not yet known follows. */
  takeHighWater(): Doc {
    if (this.pending !== undefined) return encodeToken(this.pending, this.isInvalidated ? 'invalidate' : 'event');
    this.position = this.history.position;
    return encodeToken(this.position, 'between');
  }

  detach(): void {}
}
