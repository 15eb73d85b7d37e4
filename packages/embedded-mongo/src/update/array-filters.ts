import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, failedToParse, MongoError } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import { Matcher } from '../query/match.ts';

/** The conditions of `arrayFilters` (manual: reference/operator/update/positional-filtered), by identifier. */
export interface ElementTests {
  readonly tests: ReadonlyMap<string, (element: Value) => boolean>;
  checkAllUsed(used: ReadonlySet<string>): void;
}

const NONE: ElementTests = { tests: new Map(), checkAllUsed: () => {} };

export function arrayFilters(filters: Value | undefined, scope: Scope): ElementTests {
  if (filters === undefined) return NONE;
  const tests = new Map<string, (element: Value) => boolean>();
  const sources = new Map<string, Doc>();
  for (const filter of Array.isArray(filters) ? filters : []) {
    if (!(filter instanceof Doc))
      throw new MongoError(ErrorCode.TypeMismatch, 'arrayFilters has to be an array of objects');
    const identifier = identifierOf(filter);
    if (identifier === undefined)
      throw failedToParse('Cannot use an expression without a top-level field name in arrayFilters');
    if (tests.has(identifier)) {
      throw failedToParse(`Found multiple array filters with the same top-level field name ${identifier}`);
    }
    const matcher = new Matcher(filter, { scope });
    tests.set(identifier, (element) => matcher.matches(new Doc([identifier], [element])));
    sources.set(identifier, filter);
  }
  return {
    tests,
    checkAllUsed(used) {
      for (const identifier of tests.keys()) {
        if (used.has(identifier)) continue;
        throw failedToParse(
          `The array filter for identifier '${identifier}' was not used in the update { ${sources.get(identifier)?.keys.join(', ') ?? ''} }`,
        );
      }
    },
  };
}

/** The one top-level name that all paths of the filter begin with. */
function identifierOf(filter: Doc): string | undefined {
  const found = new Set<string>();
  collect(filter, found);
  if (found.size > 1) {
    const [a, b] = [...found];
    throw failedToParse(
      `Error parsing array filter :: caused by :: Expected a single top-level field name, found '${a}' and '${b}'`,
    );
  }
  return [...found][0];
}

function collect(filter: Doc, found: Set<string>): void {
  for (const [key, value] of filter.entries()) {
    if (!key.startsWith('$')) found.add(key.split('.', 1)[0] as string);
    else if (Array.isArray(value)) for (const entry of value) if (entry instanceof Doc) collect(entry, found);
  }
}
