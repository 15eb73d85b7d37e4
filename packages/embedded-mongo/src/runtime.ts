import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first Node that runs TypeScript by stripping its types without a flag. */
const MIN_NODE: readonly [number, number] = [22, 18];

function isRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
}

let found: string | undefined;

/**
 * The program that runs the engine: Node, for which it is fastest, also when the caller runs on Bun or Deno; the
 * caller's own program when no recent Node is on the path.
 */
export function engineRuntime(): string {
  found ??= nodeHere() ?? nodeOnPath() ?? process.execPath;
  return found;
}

function nodeHere(): string | undefined {
  const isNode = !('bun' in process.versions) && !('deno' in process.versions);
  return isNode && isRecentEnough(process.versions.node) ? process.execPath : undefined;
}

function nodeOnPath(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(folder, process.platform === 'win32' ? 'node.exe' : 'node');
    if (folder === '' || !existsSync(candidate)) continue;
    try {
      if (isRecentEnough(execFileSync(candidate, ['--version'], { encoding: 'utf8' }).trim())) return candidate;
    } catch {
      // Something of that name that does not run: look further.
    }
  }
  return undefined;
}
