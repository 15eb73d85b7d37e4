import { type Fate, Interleaving } from './interleave.ts';

type Process = () => Promise<unknown>;

/**
 * Starts a process, lets it send `commands` commands, then `meanwhile` happen, then gives the next command that fate.
 *
 * @returns whether it had so many commands to send
 */
export async function interrupted(
  run: Process,
  commands: number,
  fate: Fate,
  meanwhile: Process = nothing,
): Promise<boolean> {
  const interleaving = new Interleaving();
  if (commands === 0) await meanwhile();
  const ended = interleaving.start(run);
  let sent = 0;
  await interleaving.play(
    () => ({ index: 0, fate: sent === commands ? fate : 'lives' }),
    async () => {
      sent += 1;
      if (sent === commands) await meanwhile();
    },
  );
  await ended;
  return sent >= commands;
}

export interface Reached {
  first: boolean;
  second: boolean;
}

/**
 * One process stops after so many commands; then `between` happens; another one stops after so many of its own; the first ends, and
 * after it the other.
 *
 * @returns which of them had so many commands to send
 */
export async function interlocked(
  first: { run: Process; commands: number },
  between: Process,
  second: { run: Process; commands: number },
): Promise<Reached> {
  const firstEnded = Promise.withResolvers<void>();
  let other: Promise<boolean> = Promise.resolve(false);
  const reached = await interrupted(first.run, first.commands, 'lives', async () => {
    await between();
    const otherStopped = Promise.withResolvers<void>();
    other = interrupted(second.run, second.commands, 'lives', async () => {
      otherStopped.resolve();
      await firstEnded.promise;
    }).finally(otherStopped.resolve);
    await otherStopped.promise;
  });
  firstEnded.resolve();
  return { first: reached, second: await other };
}

/** How many commands a process sends when nobody disturbs it. */
export async function commandsOf(run: Process): Promise<number> {
  let commands = 0;
  while (await interrupted(run, commands + 1, 'lives')) commands += 1;
  return commands;
}

async function nothing(): Promise<void> {}
