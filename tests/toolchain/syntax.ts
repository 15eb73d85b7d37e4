import { parseAst } from 'vitest/node';

/** Something that a file does, and the line on which it does it. */
export interface Found {
  line: number;
  /** What is imported, as written; null where it is only known when the program runs. */
  specifier: string | null;
}

interface SyntaxNode {
  type: string;
  start: number;
  [field: string]: unknown;
}

/** The globals whose `env` is the environment. */
const PLATFORMS = new Set(['process', 'Bun', 'Deno']);
const PROCESS_MODULES = new Set(['process', 'node:process']);

/**
 * Every import of a TypeScript file: static, for types alone, re-exported, dynamic, in a type (`import('x').Y`) and by `require`.
 */
export function importsOf(file: string, source: string): Found[] {
  return nodesOf(file, source).flatMap((node) => {
    const from = importedBy(node);
    return from === undefined ? [] : [{ line: lineOf(source, node), specifier: literalOf(from) }];
  });
}

/** The lines on which a file reads the environment, by whatever name. */
export function environmentReadsOf(file: string, source: string): number[] {
  return nodesOf(file, source)
    .filter(readsEnvironment)
    .map((node) => lineOf(source, node));
}

function importedBy(node: SyntaxNode): unknown {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return node['source'];
    case 'ExportNamedDeclaration':
      return node['source'] ?? undefined;
    case 'TSExternalModuleReference':
      return node['expression'];
    case 'CallExpression':
      return isIdentifier(node['callee'], 'require') ? argumentOf(node) : undefined;
    default:
      return undefined;
  }
}

function argumentOf(call: SyntaxNode): unknown {
  return Array.isArray(call['arguments']) ? (call['arguments'][0] ?? null) : null;
}

function literalOf(node: unknown): string | null {
  if (!isNode(node)) return null;
  if (node.type === 'Literal' && typeof node['value'] === 'string') return node['value'];
  const { quasis } = node;
  if (node.type !== 'TemplateLiteral' || !Array.isArray(quasis) || quasis.length !== 1) return null;
  const cooked: unknown = quasis[0]?.value?.cooked;
  return typeof cooked === 'string' ? cooked : null;
}

function readsEnvironment(node: SyntaxNode): boolean {
  switch (node.type) {
    case 'MemberExpression':
      return propertyOf(node) === 'env' && (isPlatform(node['object']) || isMeta(node['object']));
    case 'VariableDeclarator':
      return isPlatform(node['init']) && takesEnv(node['id']);
    case 'ImportDeclaration':
      return PROCESS_MODULES.has(literalOf(node['source']) ?? '');
    default:
      return false;
  }
}

/** `process`, and also `globalThis.process`. */
function isPlatform(node: unknown): boolean {
  if (!isNode(node)) return false;
  const name = node.type === 'MemberExpression' ? propertyOf(node) : node['name'];
  return typeof name === 'string' && PLATFORMS.has(name);
}

function isMeta(node: unknown): boolean {
  return isNode(node) && node.type === 'MetaProperty';
}

function takesEnv(pattern: unknown): boolean {
  if (!isNode(pattern) || !Array.isArray(pattern['properties'])) return false;
  return pattern['properties'].some((property: unknown) => isNode(property) && isIdentifier(property['key'], 'env'));
}

function propertyOf(member: SyntaxNode): string | null {
  const { property } = member;
  if (!isNode(property)) return null;
  return member['computed'] === true ? literalOf(property) : String(property['name']);
}

function isIdentifier(node: unknown, name: string): boolean {
  return isNode(node) && node.type === 'Identifier' && node['name'] === name;
}

function nodesOf(file: string, source: string): SyntaxNode[] {
  const nodes: SyntaxNode[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isNode(value)) return;
    nodes.push(value);
    Object.values(value).forEach(visit);
  };
  visit(parseAst(source, { lang: 'ts' }, file));
  return nodes;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

function lineOf(source: string, node: SyntaxNode): number {
  return source.slice(0, node.start).split('\n').length;
}
