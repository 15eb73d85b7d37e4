/** `npm run bench`: every benchmark, as a table for people and, last, as one line of JSON for programs. */
import { coldStart } from './coldStart.ts';
import { requestRates } from './requestRates.ts';
import { type Row, table } from './table.ts';

const BENCHMARKS: readonly { title: string; run: () => Promise<Row[]> }[] = [
  { title: 'From nothing but installed packages to the first 201', run: coldStart },
  { title: 'Requests over HTTP on one process', run: requestRates },
];

const results: Record<string, Row[]> = {};
for (const { title, run } of BENCHMARKS) {
  console.error(`${title} ...`);
  const rows = await run();
  results[title] = rows;
  console.log(`\n${title}\n\n${table(rows)}`);
}
console.log(`\n${JSON.stringify(results)}`);
