import { Doc, type Value } from '../bson/values.ts';
import { typeName } from '../query/types.ts';

/** Stands for any failure when nobody asked why. */
export const FAILED = Doc.EMPTY;

/** A keyword with what it asked for, why it failed, and the value it looked at. */
export function failure(keyword: string, operand: Value, reason: string, value: Value, withType = false): Doc {
  return Doc.of({
    operatorName: keyword,
    specifiedAs: new Doc([keyword], [operand]),
    reason,
    consideredValue: value,
    consideredType: withType ? typeName(value) : undefined,
  });
}
