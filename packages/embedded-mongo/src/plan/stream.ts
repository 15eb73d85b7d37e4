import type { Doc } from '../bson/values.ts';
import type { Matcher } from '../query/match.ts';
import type { Scan } from './scan.ts';

/** Returned instead of a document when other commands should have a turn: call again afterwards. */
export const PAUSE: unique symbol = Symbol('pause');
export type Pulled = Doc | undefined | typeof PAUSE;

/**
 * A stage of a query or pipeline. `next` delivers documents until `undefined` ends the stream. Before the event loop
 * is let go, `detach` makes the sources independent of what others write.
 */
export interface Stream {
  next(): Pulled;
  detach(): void;
}

const SLICE_MS = 10;
const DOCUMENTS_PER_LOOK = 32;

/** Tells when a command has held the event loop for long enough. */
export class Slice {
  private started = performance.now();
  private count = 0;

  expired(): boolean {
    this.count += 1;
    if (this.count < DOCUMENTS_PER_LOOK) return false;
    this.count = 0;
    if (performance.now() - this.started < SLICE_MS) return false;
    this.started = performance.now();
    return true;
  }
}

/** The documents of a scan that match. */
export class MatchingScan implements Stream {
  readonly scan: Scan;
  private readonly matcher: Matcher;
  private readonly slice: Slice;

  constructor(scan: Scan, matcher: Matcher, slice: Slice) {
    this.scan = scan;
    this.matcher = matcher;
    this.slice = slice;
  }

  next(): Pulled {
    for (;;) {
      if (this.slice.expired()) return PAUSE;
      const doc = this.scan.next();
      if (doc === undefined || this.matcher.matches(doc)) return doc;
    }
  }

  detach(): void {
    this.scan.detach();
  }
}

/** A list as a stream. */
export class ListStream implements Stream {
  private readonly docs: Iterable<Doc>;
  private iterator: Iterator<Doc> | undefined;

  constructor(docs: Iterable<Doc>) {
    this.docs = docs;
  }

  next(): Pulled {
    this.iterator ??= this.docs[Symbol.iterator]();
    const result = this.iterator.next();
    return result.done === true ? undefined : result.value;
  }

  detach(): void {}
}

/** A list that is long in being worked on: it lets others run in between. */
export class PausingList extends ListStream {
  private readonly slice = new Slice();

  override next(): Pulled {
    return this.slice.expired() ? PAUSE : super.next();
  }
}

/** A stage that turns each document of its input into one or none. */
export class MapStream implements Stream {
  private readonly input: Stream;
  private readonly apply: (doc: Doc) => Doc | undefined;

  constructor(input: Stream, apply: (doc: Doc) => Doc | undefined) {
    this.input = input;
    this.apply = apply;
  }

  next(): Pulled {
    for (;;) {
      const doc = this.input.next();
      if (doc === undefined || doc === PAUSE) return doc;
      const mapped = this.apply(doc);
      if (mapped !== undefined) return mapped;
    }
  }

  detach(): void {
    this.input.detach();
  }
}

export class SkipStream implements Stream {
  private readonly input: Stream;
  private left: number;

  constructor(input: Stream, count: number) {
    this.input = input;
    this.left = count;
  }

  next(): Pulled {
    for (;;) {
      const doc = this.input.next();
      if (doc === undefined || doc === PAUSE || this.left <= 0) return doc;
      this.left -= 1;
    }
  }

  detach(): void {
    this.input.detach();
  }
}

export class LimitStream implements Stream {
  private readonly input: Stream;
  private left: number;

  constructor(input: Stream, count: number) {
    this.input = input;
    this.left = count;
  }

  next(): Pulled {
    if (this.left <= 0) return undefined;
    const doc = this.input.next();
    if (doc !== PAUSE) this.left -= 1;
    return doc;
  }

  detach(): void {
    this.input.detach();
  }
}

/** A stage that needs its whole input before it has a first result. What it then does may pause as well. */
export class BlockingStream implements Stream {
  private readonly input: Stream;
  private readonly collect: (doc: Doc) => void;
  private readonly finish: () => Iterable<Doc | typeof PAUSE>;
  private output: Iterator<Doc | typeof PAUSE> | undefined;
  private readonly slice = new Slice();

  constructor(input: Stream, collect: (doc: Doc) => void, finish: () => Iterable<Doc | typeof PAUSE>) {
    this.input = input;
    this.collect = collect;
    this.finish = finish;
  }

  next(): Pulled {
    while (this.output === undefined) {
      const doc = this.input.next();
      if (doc === PAUSE) return PAUSE;
      if (doc === undefined) this.output = this.finish()[Symbol.iterator]();
      else this.collect(doc);
    }
    // What comes after it may take long for each document as well.
    if (this.slice.expired()) return PAUSE;
    const result = this.output.next();
    return result.done === true ? undefined : result.value;
  }

  detach(): void {
    this.input.detach();
  }
}

/** A stage written as a generator, which pauses where it likes; `sources` are the streams it reads. */
export class GeneratorStream implements Stream {
  private readonly docs: Iterator<Doc | typeof PAUSE>;
  private readonly sources: ReadonlySet<Stream>;

  constructor(docs: Iterator<Doc | typeof PAUSE>, sources: ReadonlySet<Stream>) {
    this.docs = docs;
    this.sources = sources;
  }

  next(): Pulled {
    const result = this.docs.next();
    return result.done === true ? undefined : result.value;
  }

  detach(): void {
    for (const source of this.sources) source.detach();
  }
}

/** The rest of a stream as a list. */
export function* drain(stream: Stream): Generator<typeof PAUSE, Doc[]> {
  const docs: Doc[] = [];
  for (;;) {
    const doc = stream.next();
    if (doc === undefined) return docs;
    if (doc === PAUSE) yield PAUSE;
    else docs.push(doc);
  }
}
