import { encodeDocument } from '../bson/encode.ts';
import { Doc, type Value } from '../bson/values.ts';
import { PAUSE, type Pulled, type Stream } from '../plan/stream.ts';
import { fragmentToken } from './resume-token.ts';

/** Room for the token and the numbers of a fragment is left below the size of a document. */
const MAX_FRAGMENT_BYTES = 16 * 1024 * 1024 - 1024;

/** Cuts events that are too large for one document (manual: reference/operator/aggregation/changeStreamSplitLargeEvent). */
export class SplitStream implements Stream {
  private readonly input: Stream;
  private fragments: Doc[] = [];
  /** The event whose fragments were seen up to a number, when the stream was resumed after one of them. */
  private readonly seen: { readonly token: string; readonly fragments: number } | undefined;

  constructor(input: Stream, seen: { token: string; fragments: number } | undefined) {
    this.input = input;
    this.seen = seen;
  }

  next(): Pulled {
    for (;;) {
      const fragment = this.fragments.shift();
      if (fragment !== undefined) return fragment;
      const event = this.input.next();
      if (event === undefined || event === PAUSE) return event;
      const isSeen = this.seen !== undefined && tokenOf(event) === this.seen.token;
      if (encodeDocument(event).length > MAX_FRAGMENT_BYTES) {
        this.fragments = split(event).slice(isSeen ? this.seen?.fragments : 0);
      } else if (!isSeen) return event;
    }
  }

  detach(): void {
    this.input.detach();
  }
}

function tokenOf(event: Doc): Value | undefined {
  const id = event.get('_id');
  return id instanceof Doc ? id.get('_data') : undefined;
}

function split(event: Doc): Doc[] {
  const id = event.get('_id');
  if (!(id instanceof Doc)) return [event];
  const parts: [string, Value][][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [key, value] of event.without('_id').entries()) {
    const size = encodeDocument(new Doc([key], [value])).length;
    if (bytes + size > MAX_FRAGMENT_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push([key, value]);
    bytes += size;
  }
  return parts.map((fields, at) =>
    Doc.of({
      _id: fragmentToken(id, at),
      splitEvent: Doc.of({ fragment: at + 1, of: parts.length }),
      ...Object.fromEntries(fields),
    }),
  );
}
