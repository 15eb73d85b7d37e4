import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import type { Scope } from '../expression/scope.ts';
import { MapStream } from '../plan/stream.ts';
import type { Stage } from './pipeline.ts';

/** `$redact` (manual: reference/operator/aggregation/redact): the expression decides at each level, as `$$CURRENT`. */
export function redactStage(specification: Value, scope: Scope): Stage {
  const { scope: inner, slot } = scope.declare('CURRENT');
  const decide = compileExpression(specification, inner);
  const redact = (doc: Doc, root: Doc): Doc | undefined => {
    inner.set(slot, doc);
    const decision = decide(inner.environment(root));
    switch (decision) {
      case 'KEEP':
        return doc;
      case 'PRUNE':
        return undefined;
      case 'DESCEND':
        return descend(doc, root);
      default:
        throw new MongoError(17053, '$redact must return one of $$KEEP, $$PRUNE, or $$DESCEND');
    }
  };
  const descend = (doc: Doc, root: Doc): Doc => {
    const keys: string[] = [];
    const values: Value[] = [];
    for (const [key, value] of doc.entries()) {
      const kept = within(value, root);
      if (kept === undefined) continue;
      keys.push(key);
      values.push(kept);
    }
    return new Doc(keys, values);
  };
  const within = (value: Value, root: Doc): Value | undefined => {
    if (value instanceof Doc) return redact(value, root);
    if (!Array.isArray(value)) return value;
    return value.map((element) => within(element, root)).filter((element) => element !== undefined);
  };
  return (input) => new MapStream(input, (doc) => redact(doc, doc));
}
