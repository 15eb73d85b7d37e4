/** `npm run bench`: every benchmark, as a table for people and, last, as one line of JSON for programs. */
import { coldStart } from './coldStart.ts';
import { charges } from './data/charges.ts';
import { growth } from './data/growth.ts';
import { overhead } from './http/overhead.ts';
import { streams } from './http/streams.ts';
import { webhooks } from './http/webhooks.ts';
import { workerd } from './http/workerd.ts';
import { type BenchOptions, type Part, parseOptions, USAGE } from './options.ts';
import { type Row, table } from './table.ts';

type Benchmark = { title: string; run: (options: BenchOptions) => Promise<Row[]> };

const BENCHMARKS: Readonly<Record<Part, Benchmark>> = {
  start: { title: 'From nothing but installed packages to the first 201', run: coldStart },
  http: { title: 'Requests over HTTP beside bare handlers', run: overhead },
  streams: { title: 'Open event streams, and requests beside them', run: streams },
  webhooks: { title: 'Webhooks that are taken and applied, and requests beside them', run: webhooks },
  workerd: { title: 'Connections of a Worker to the database', run: workerd },
  charges: { title: 'A charge beside what one would write without Artifex', run: charges },
  growth: { title: 'What is read often, in a small and in a large database', run: growth },
};

const options = parsed();
if (options) await bench(options);
else process.exitCode = 2;

function parsed(): BenchOptions | null {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : 'The arguments are wrong.'}\n\n${USAGE}`);
    return null;
  }
}

async function bench(options: BenchOptions): Promise<void> {
  const results: Record<string, Row[]> = {};
  for (const part of options.parts) {
    const { title, run } = BENCHMARKS[part];
    console.error(`${title} ...`);
    const rows = await run(options);
    results[title] = rows;
    console.log(`\n${title}\n\n${table(rows)}`);
  }
  console.log(`\n${JSON.stringify(results)}`);
}
