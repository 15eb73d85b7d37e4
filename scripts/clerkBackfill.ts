/**
 * `npm run clerk:backfill [-- --delete-gone]` makes the users here equal to Clerk's, with progress. A run that was cut off is gone on with. The
 * exit status is 0 when everything is equal or was made so, and 1 when a person has to look, or it did not come to its end.
 */
import { parseArgs } from 'node:util';
import { type Env, EnvironmentError } from '../src/config/env.ts';
import { ArtifexError } from '../src/domain/errors.ts';
import { clerkDirectory } from '../src/identity/directory.ts';
import type { Backfilled } from '../src/models/Backfill.ts';
import { recordAct } from '../src/repositories/audit.ts';
import type { Core } from '../src/runtimes/core.ts';
import { BACKFILL_ACTOR, backfill } from '../src/workflows/backfill.ts';
import { withCore } from './withCore.ts';

const deletesGone = readArguments();
if (deletesGone === null) {
  console.error('Usage: npm run clerk:backfill [-- --delete-gone]');
  process.exitCode = 1;
} else {
  await withCore((core, env) => run(core, env.clerk, deletesGone));
}

function readArguments(): boolean | null {
  try {
    const { values } = parseArgs({ options: { 'delete-gone': { type: 'boolean', default: false } } });
    return values['delete-gone'];
  } catch {
    return null;
  }
}

async function run({ ctx }: Core, clerk: Env['clerk'], deletes: boolean): Promise<number> {
  const { secretKey, apiUrl, jwtKey } = clerk;
  if (secretKey === undefined) throw new EnvironmentError('CLERK_SECRET_KEY is missing: Clerk is asked with it');
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  const directory = clerkDirectory({ secretKey, apiUrl }, { log: ctx.log, signal: stopping.signal });
  try {
    if (jwtKey !== undefined && !(await directory.signsWith(jwtKey))) {
      throw new EnvironmentError('CLERK_SECRET_KEY is of another Clerk instance than CLERK_JWT_KEY');
    }
    const detail = { task: 'clerk:backfill', deletesGone: deletes };
    await recordAct(ctx, { action: 'maintenance.run', actor: BACKFILL_ACTOR, detail });
    const { outcome, found, resumedFrom } = await backfill(ctx, {
      directory,
      deletesGone: deletes,
      signal: stopping.signal,
      onProgress: ({ stage, found: soFar }, remaining) => {
        console.error(`${told(soFar)}${remaining === null ? '' : `, ${remaining} left`} (${stage})`);
      },
      onPerson: (clerkUserId, why) => console.log(`${clerkUserId}: ${why}`),
    });
    const begun = resumedFrom === null ? '' : ` (begun at ${resumedFrom.toISOString()})`;
    console.log(`${told(found)}${begun}`);
    if (outcome === 'stopped') console.error('Stopped; the next run goes on from here.');
    if (outcome === 'overtaken') console.error('Another process goes on with this run.');
    if (found.gone > 0) console.error('With `-- --delete-gone`, those who are not at Clerk any more are deleted here.');
    return outcome === 'done' && found.gone === 0 && found.needPerson === 0 ? 0 : 1;
  } catch (error) {
    if (stopping.signal.aborted) console.error('Stopped; the next run goes on from here.');
    else if (error instanceof ArtifexError && error.code === 'unavailable') console.error(error.message);
    else throw error;
    return 1;
  }
}

function told({ equal, made, updated, restored, kept, gone, deleted, needPerson }: Backfilled): string {
  return `equal ${equal}, made ${made}, updated ${updated}, restored ${restored}, kept ${kept}, gone ${gone}, deleted ${deleted}, need a person ${needPerson}`;
}
