/**
 * Work that looks at how things are now need not be done for each of several who ask at the same time: who comes while it is under way
 * shares the next run, which begins after they came and therefore sees what they have to tell.
 *
 * @param work for one key, with everything that those who wait for it have said
 */
export function coalescing<Said, Result>(
  work: (key: string, said: readonly Said[]) => Promise<Result>,
): (key: string, said: readonly Said[]) => Promise<Result> {
  const running = new Map<string, Promise<unknown>>();
  const next = new Map<string, { said: Said[]; result: Promise<Result> }>();

  return (key, said) => {
    const waiting = next.get(key);
    if (waiting) {
      waiting.said.push(...said);
      return waiting.result;
    }
    const run = { said: [...said], result: begin() };
    next.set(key, run);
    return run.result;

    async function begin(): Promise<Result> {
      // Never in this turn: `run` has to stand first.
      await running.get(key);
      await Promise.resolve();
      next.delete(key);
      const result = work(key, run.said);
      const settled = result.then(
        () => undefined,
        () => undefined,
      );
      running.set(key, settled);
      try {
        return await result;
      } finally {
        if (running.get(key) === settled) running.delete(key);
      }
    }
  };
}
