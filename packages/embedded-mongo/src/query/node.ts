import type { Doc, Regex, Value } from '../bson/values.ts';

/** What a match found out beside yes or no: the array position that the positional operator `$` stands for. */
export interface MatchDetails {
  position: number;
}

/** Leaf operators that a planner can turn into bounds; every other leaf is `other`. */
export type LeafOperator = 'eq' | 'lt' | 'lte' | 'gt' | 'gte' | 'in' | 'regex' | 'exists' | 'type' | 'other';

export interface LeafNode {
  readonly kind: 'leaf';
  readonly path: string;
  readonly operator: LeafOperator;
  readonly operand: Value;
  /** Of `$in`: the regular expressions among its values. */
  readonly regexes?: readonly Regex[];
  matches(doc: Doc, details?: MatchDetails): boolean;
}

interface BranchNode {
  readonly kind: 'and' | 'or' | 'nor';
  readonly children: readonly MatchNode[];
  matches(doc: Doc, details?: MatchDetails): boolean;
}

interface NotNode {
  readonly kind: 'not';
  readonly child: MatchNode;
  matches(doc: Doc, details?: MatchDetails): boolean;
}

export interface ElemMatchNode {
  readonly kind: 'elemMatch';
  readonly path: string;
  /** The condition on one element: on the fields of a document, or (with the path `''`) on a value. */
  readonly child: MatchNode;
  readonly onValues: boolean;
  matches(doc: Doc, details?: MatchDetails): boolean;
}

/** A condition without any structure a planner could use: `$expr`, `$alwaysFalse`, `$sampleRate`. */
interface OpaqueNode {
  readonly kind: 'opaque';
  matches(doc: Doc, details?: MatchDetails): boolean;
}

export type MatchNode = LeafNode | BranchNode | NotNode | ElemMatchNode | OpaqueNode;
