import type { mongo } from 'mongoose';
import type { Cipher } from './cipher.ts';
import { openDocument } from './documents.ts';
import { sealFilter } from './filters.ts';
import { checkProjection, checkSort, sealPipeline } from './reads.ts';

// WebCrypto is asynchronous, and a cursor is made at once: its question is sealed when it is first asked for a document. The
// driver's own loops and streams all call `next`, so they need nothing of their own.

type FindCursor = mongo.FindCursor<unknown>;
type AggregationCursor = mongo.AggregationCursor<unknown>;
type Transform = (document: unknown) => unknown;

/** @param create makes the driver's cursor, for a filter that is still to come */
export function openingFind(cipher: Cipher, filter: unknown, create: () => FindCursor): FindCursor {
  const cursor = create();
  const { filter: ask, sort, project, count } = cursor;
  let question = filter;
  const sealed = opening(cipher, cursor, async () => {
    ask.call(cursor, Object(await sealFilter(cipher, question)));
  });
  return Object.assign(cursor, {
    clone: () => openingFind(cipher, question, create),
    async count(...options: unknown[]) {
      await sealed();
      return Reflect.apply(count, cursor, options);
    },
    filter(replacement: mongo.Document) {
      question = replacement;
      return cursor;
    },
    sort(order: mongo.Sort | string, direction?: mongo.SortDirection) {
      checkSort(cipher, order);
      return sort.call(cursor, order, direction);
    },
    project(projection: mongo.Document) {
      checkProjection(cipher, projection);
      return project.call(cursor, projection);
    },
  });
}

/** @param create makes the driver's cursor over a pipeline, whose stages may still change */
export function openingAggregate(
  cipher: Cipher,
  pipeline: readonly mongo.Document[],
  create: (stages: mongo.Document[]) => AggregationCursor,
): AggregationCursor {
  const cursor = create([...pipeline]);
  opening(cipher, cursor, async () => {
    const sealed = await sealPipeline(cipher, cursor.pipeline);
    cursor.pipeline.splice(0, cursor.pipeline.length, ...sealed.map(Object));
  });
  return Object.assign(cursor, { clone: () => openingAggregate(cipher, cursor.pipeline, create) });
}

/**
 * Gives the cursor's documents in the clear, in every way in which they can be asked for.
 *
 * @returns seals the question, once
 */
function opening(cipher: Cipher, cursor: FindCursor | AggregationCursor, seal: () => Promise<void>) {
  const { next, tryNext, hasNext, explain, readBufferedDocuments } = cursor;
  let sealing: Promise<void> | undefined;
  let transform: Transform = (document) => document;

  function sealOnce(): Promise<void> {
    sealing ??= seal();
    return sealing;
  }
  async function open(document: unknown): Promise<unknown> {
    return document === null ? null : transform(await openDocument(cipher, document));
  }

  Object.assign(cursor, {
    async next() {
      await sealOnce();
      return open(await next.call(cursor));
    },
    async tryNext() {
      await sealOnce();
      return open(await tryNext.call(cursor));
    },
    async hasNext() {
      await sealOnce();
      return hasNext.call(cursor);
    },
    async explain(...options: unknown[]) {
      await sealOnce();
      return Reflect.apply(explain, cursor, options);
    },
    /** A whole batch is opened at once. */
    async toArray() {
      await sealOnce();
      const found: unknown[] = [];
      if (cursor.closed) return found;
      try {
        for (let first = await next.call(cursor); first !== null; first = await next.call(cursor)) {
          const batch = [first, ...readBufferedDocuments.call(cursor)];
          for (const document of await Promise.all(batch.map(open))) found.push(document);
        }
      } finally {
        await cursor.close();
      }
      return found;
    },
    map(next: Transform) {
      const before = transform;
      transform = (document) => next(before(document));
      return cursor;
    },
    // What the driver has buffered is sealed; its loops ask `next` for it instead.
    readBufferedDocuments: () => [],
  });
  return sealOnce;
}
