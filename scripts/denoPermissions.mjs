import { fileURLToPath } from 'node:url';

/**
 * What `start:deno` may do, as flags of `deno run` (https://docs.deno.com/runtime/fundamentals/security/): talk to the network, read
 * the environment and this repository, write what this machine keeps, and start the embedded database, which runs on Node. What it
 * lacks is refused without a question, and nothing is downloaded.
 *
 * @param {Readonly<Record<string, string | undefined>>} env
 * @param {string} node the program that runs the embedded database
 */
export function denoPermissions(env, node) {
  const kept = [env.ARTIFEX_DATA_DIR || '.data', ...storageFolder(env.STORAGE_URL)].join(',');
  return [
    '--quiet',
    '--no-prompt',
    '--no-lock',
    '--cached-only',
    '--allow-net',
    '--allow-env',
    `--allow-read=.,${kept}`,
    `--allow-write=${kept}`,
    `--allow-run=${node}`,
    // The heap of the embedded database is a share of the memory.
    '--allow-sys=systemMemoryInfo',
  ];
}

/** A bad address is none of this file's business: the server names it. */
function storageFolder(url) {
  try {
    return [fileURLToPath(url)];
  } catch {
    return [];
  }
}
