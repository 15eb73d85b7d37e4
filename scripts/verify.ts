/** Everything that a change must pass: lint, types, tests (with the import rule), builds. Stops at the first failure. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('run.mjs', import.meta.url));

/** Scripts of package.json, the quick ones first. */
const STEPS = ['lint', 'types', 'test', 'build'];

const summary: string[] = [];
let failed: string | undefined;

for (const step of STEPS) {
  console.log(`\n> ${step}`);
  const startedAt = performance.now();
  const { status } = spawnSync(process.execPath, [ENTRY, step], { stdio: 'inherit' });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  summary.push(`${status === 0 ? 'passed' : 'FAILED'}  ${step.padEnd(5)}  ${seconds.padStart(6)} s`);
  if (status !== 0) {
    failed = step;
    break;
  }
}

console.log(`\n${summary.join('\n')}`);
if (failed !== undefined) {
  console.error(`\nVerification failed: ${failed} (npm run ${failed})`);
  process.exitCode = 1;
}
