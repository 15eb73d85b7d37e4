import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const src = fileURLToPath(new URL('./src', import.meta.url));

/** What takes minutes begins first, so that nothing is left to wait for alone. */
const LONG = [
  'tests/billing/histories.test.ts',
  'tests/workflows/interleavings.test.ts',
  'tests/workflows/faults.test.ts',
];
const isLong = ({ moduleId }: TestSpecification) => LONG.some((path) => moduleId.endsWith(path));

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  resolve: { alias: { '@': src } },
  test: {
    include: ['tests/**/*.test.ts', 'packages/*/tests/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'tests/runtimes/deno/**'],
    // The database and the processes that tests start wait more than they work: no processor is kept free for them.
    maxWorkers: '100%',
    sequence: { sequencer: LongFirst },
    globalSetup: ['tests/support/globalSetup.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
