import type { Doc, Value } from '../bson/values.ts';
import { parseCollation } from '../collation/collation.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import { letScope, type Scope } from '../expression/scope.ts';
import type { Index } from '../indexes/index.ts';
import { SortMemory } from '../plan/memory.ts';
import { type Between, choosePlan, type Plan, type SortField } from '../plan/planner.ts';
import { type Counters, Scan } from '../plan/scan.ts';
import { sortStream } from '../plan/sort.ts';
import { LimitStream, ListStream, MapStream, MatchingScan, SkipStream, Slice, type Stream } from '../plan/stream.ts';
import type { Matcher } from '../query/match.ts';
import type { Collection } from '../storage/collection.ts';
import { isView } from './views.ts';
import type { Fields } from './wanted-fields.ts';

export interface QuerySpec {
  readonly matcher: Matcher;
  readonly sort: readonly SortField[];
  readonly skip: number;
  /** 0 is no limit. */
  readonly limit: number;
  readonly hint: Value | undefined;
  /** Whether sorts without an index may keep more than the limit: the default since MongoDB 6.0. */
  readonly allowDiskUse?: boolean;
  readonly between?: Between | undefined;
  /** The fields that become of the matching documents, where not the documents themselves are wanted. */
  readonly wanted?: Fields | undefined;
  /** Told of each document that matches, and where it was found. */
  readonly note?: ((doc: Doc, scan: Scan) => void) | undefined;
}

/** A planned query: how it reads, and its counts while it runs. */
export interface OpenQuery {
  readonly plan: Plan;
  /** Of the collection that it reads. */
  readonly idIndex?: Index | undefined;
  readonly counters: Counters;
  readonly stream: Stream;
}

export function openQuery(collection: Collection | undefined, spec: QuerySpec): OpenQuery {
  const counters: Counters = { keysExamined: 0, docsExamined: 0 };
  if (collection === undefined) {
    const plan: Plan = { kind: 'collection', backward: false, sorted: true };
    return { plan, counters, stream: new ListStream([]) };
  }
  const { ordering } = spec.matcher;
  const plan = choosePlan(collection, spec.matcher, spec.sort, spec.hint, spec.between, neededFields(spec));
  const scan = new Scan(collection, plan, counters);
  let stream: Stream = new MatchingScan(scan, spec.matcher, new Slice());
  const { note } = spec;
  if (note !== undefined) {
    stream = new MapStream(stream, (doc) => {
      note(doc, scan);
      return doc;
    });
  }
  if (!plan.sorted) {
    const most = spec.limit > 0 ? spec.skip + spec.limit : undefined;
    stream = sortStream(stream, spec.sort, ordering, most, spec.allowDiskUse === false ? new SortMemory() : undefined);
  }
  if (spec.skip > 0) stream = new SkipStream(stream, spec.skip);
  if (spec.limit > 0) stream = new LimitStream(stream, spec.limit);
  return { plan, idIndex: collection.idIndex, counters, stream };
}

/** All fields that matching, sorting and what follows look at; `undefined`: whole documents. */
function neededFields({ matcher, sort, wanted, note }: QuerySpec): Fields | undefined {
  const filtered = wanted === undefined || note !== undefined ? undefined : matcher.roots();
  return filtered && new Set([...(wanted ?? []), ...filtered, ...sort.map(({ path }) => path)]);
}

/** The variables of `let`, and the collation: that of the statement, else that of the command, else the collection's. */
export function commandScope(command: Doc, collection: Collection | undefined, statement = command): Scope {
  const given = parseCollation(statement.get('collation'));
  const ordering = given ?? collection?.ordering;
  if (given !== undefined && collection !== undefined && isView(collection) && given.id !== collection.ordering.id) {
    throw new MongoError(
      ErrorCode.OptionNotSupportedOnView,
      `Cannot override a view's default collation: ${collection.namespace}`,
    );
  }
  return letScope(command.get('let'), compileExpression, ordering);
}
