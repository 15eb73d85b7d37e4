import { Doc, Timestamp, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Position } from '../storage/history.ts';

/** Whether a token names an event, the end of a stream, or a moment between events. */
export type TokenKind = 'event' | 'invalidate' | 'between';
const KINDS: readonly TokenKind[] = ['between', 'event', 'invalidate'];

export interface ResumePoint {
  readonly position: Position;
  readonly kind: TokenKind;
  /** Of an event that was split: the number of the fragment, from 0. */
  readonly fragment?: number;
}

const hex = (value: number): string => value.toString(16).padStart(8, '0').toUpperCase();

/** Tokens of later events are greater as strings, as MongoDB's are (manual: changeStreams, "Resume Tokens"). */
export function encodeToken({ seconds, increment, order }: Position, kind: TokenKind): Doc {
  return Doc.of({ _data: `82${hex(seconds)}${hex(increment)}${hex(order)}0${KINDS.indexOf(kind)}` });
}

/** The token of one fragment of a large event: greater than that of the event, and less than that of the next. */
export function fragmentToken(event: Doc, fragment: number): Doc {
  return Doc.of({ _data: `${String(event.get('_data'))}F${hex(fragment)}` });
}

export function decodeToken(token: Value, option: string): ResumePoint {
  const data = token instanceof Doc ? token.get('_data') : undefined;
  const parts = /^82([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})0([012])(?:F([0-9A-F]{8}))?$/i.exec(
    typeof data === 'string' ? data : '',
  );
  if (parts === null) {
    throw new MongoError(ErrorCode.InvalidResumeToken, `the resume token of '${option}' is not one of this server`);
  }
  const [seconds, increment, order, kind, fragment] = parts
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number.parseInt(part, 16)));
  return {
    position: { seconds: seconds as number, increment: increment as number, order: order as number },
    kind: KINDS[kind as number] as TokenKind,
    ...(fragment === undefined ? {} : { fragment }),
  };
}

/** Everything from this time on, its own events included. */
export function startAt(time: Value): ResumePoint {
  if (!(time instanceof Timestamp)) {
    throw new MongoError(
      ErrorCode.TypeMismatch,
      "BSON field '$changeStream.startAtOperationTime' has to be a timestamp",
    );
  }
  const position = { seconds: time.seconds, increment: time.increment - 1, order: 0xffffffff };
  return { position, kind: 'between' };
}
