import type { ElemMatchNode, LeafNode, MatchNode } from '../query/node.ts';

/** A condition that every result has to satisfy, on the path it stands for in an index. */
export interface Predicate {
  readonly path: string;
  readonly leaf: LeafNode;
  /** The `$elemMatch` it stands in: its conditions hold for one and the same array element. */
  readonly group: ElemMatchNode | undefined;
}

/** The leaves of a conjunction, with those inside of `$elemMatch` under their full path. */
export function conjuncts(node: MatchNode, found: Predicate[] = [], prefix = '', group?: ElemMatchNode): Predicate[] {
  switch (node.kind) {
    case 'leaf': {
      const path = prefix === '' ? node.path : node.path === '' ? prefix : `${prefix}.${node.path}`;
      found.push({ path, leaf: node, group });
      break;
    }
    case 'and':
      for (const child of node.children) conjuncts(child, found, prefix, group);
      break;
    case 'elemMatch': {
      const path = prefix === '' ? node.path : `${prefix}.${node.path}`;
      conjuncts(node.child, found, path, group ?? node);
      break;
    }
  }
  return found;
}

/** The `$or` nodes of a conjunction. */
export function disjunctions(node: MatchNode): (MatchNode & { kind: 'or' })[] {
  if (node.kind === 'or') return [node as MatchNode & { kind: 'or' }];
  return node.kind === 'and' ? node.children.flatMap(disjunctions) : [];
}
