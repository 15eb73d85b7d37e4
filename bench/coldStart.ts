import { createImage, RUNTIMES, start } from './process.ts';
import { percentile, type Row, rounded } from './table.ts';

const RUNS = 5;

/** Milliseconds from the start of the process, with an empty folder, to the first generation that is charged and queued. */
export async function coldStart(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const runtime of RUNTIMES) {
    const times: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const began = performance.now();
      const server = await start(runtime);
      const response = await createImage(server, 'The first one');
      if (response.status !== 201) throw new Error(`Expected 201, got ${response.status}`);
      times.push(performance.now() - began);
      await server.end();
    }
    rows.push({
      runtime,
      runs: RUNS,
      'min ms': rounded(Math.min(...times)),
      'median ms': rounded(percentile(times, 0.5)),
      'max ms': rounded(Math.max(...times)),
    });
  }
  return rows;
}
