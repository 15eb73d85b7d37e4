import type { Doc } from '../bson/values.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import type { MatchDetails, MatchNode } from './node.ts';
import { type ParseContext, parseFilter } from './parse.ts';

/** A compiled filter: the tree for the planner, the closures in it for matching. */
export class Matcher {
  readonly root: MatchNode;
  readonly filter: Doc;
  /** How the conditions compare: an index of another ordering cannot answer for strings. */
  readonly ordering: Ordering;

  constructor(filter: Doc, context: ParseContext = {}) {
    this.filter = filter;
    this.ordering = context.scope?.ordering ?? BINARY;
    this.root = parseFilter(filter, context);
  }

  get matchesAll(): boolean {
    return this.root.kind === 'and' && this.root.children.length === 0;
  }

  matches(doc: Doc, details?: MatchDetails): boolean {
    return this.root.matches(doc, details);
  }

  /** The first components of all paths the filter looks at, or `undefined` when it may look anywhere (`$expr`). */
  roots(): string[] | undefined {
    const found = new Set<string>();
    return collectRoots(this.root, found) ? [...found] : undefined;
  }
}

function collectRoots(node: MatchNode, found: Set<string>): boolean {
  switch (node.kind) {
    case 'leaf':
    case 'elemMatch':
      found.add(node.path.split('.', 1)[0] as string);
      return true;
    case 'not':
      return collectRoots(node.child, found);
    case 'opaque':
      return false;
    default:
      return node.children.every((child) => collectRoots(child, found));
  }
}
