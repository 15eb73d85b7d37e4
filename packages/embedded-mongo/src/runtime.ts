import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { basename, delimiter, join } from 'node:path';

type Version = readonly [major: number, minor: number];

/** The first Node that runs each kind of file without a flag: for TypeScript, by stripping its types. */
const FIRST_NODE: Readonly<Record<string, Version>> = { '.js': [20, 0], '.ts': [22, 18] };

function isRecentEnough(version: string, first: Version): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > first[0] || (major === first[0] && minor >= first[1]);
}

let found: string | undefined;

/**
 * The program that runs the engine: Node, for which it is fastest, also when the caller runs on Bun or Deno; the
 * caller's own program when no recent Node is on the path.
 *
 * @param extension of the engine's files: `.ts` in its sources, `.js` once published
 */
export function engineRuntime(extension: string): string {
  const first = FIRST_NODE[extension] ?? [20, 0];
  found ??= nodeHere(first) ?? nodeOnPath(first) ?? process.execPath;
  return found;
}

function nodeHere(first: Version): string | undefined {
  const isNode = !('bun' in process.versions) && !('deno' in process.versions);
  return isNode && isRecentEnough(process.versions.node, first) ? process.execPath : undefined;
}

function nodeOnPath(first: Version): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(folder, process.platform === 'win32' ? 'node.exe' : 'node');
    if (folder === '' || !existsSync(candidate)) continue;
    try {
      if (isRecentEnough(execFileSync(candidate, ['--version'], { encoding: 'utf8' }).trim(), first)) return candidate;
    } catch {
      // Something of that name that does not run: look further.
    }
  }
  return undefined;
}

/** Of the machine's memory, what the engine may take: all data is in it. */
const HEAP_SHARE = 0.75;

/** Lets Node's heap grow with the data; by itself it ends the process at about 4 GB. The other runtimes know no such limit. */
export function heapFlags(runtime: string): string[] {
  const isNode = basename(runtime).replace(/\.exe$/, '') === 'node';
  return isNode ? [`--max-old-space-size=${Math.floor((totalmem() * HEAP_SHARE) / 2 ** 20)}`] : [];
}
