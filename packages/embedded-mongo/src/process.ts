import { serve } from './server/serve.ts';

/** The engine as a child process: options as JSON in the first argument, one line of JSON on stdout when it is ready. */
const options = JSON.parse(process.argv[2] ?? '{}') as {
  host: string;
  port: number;
  dataDir?: string;
  replicaSet: string;
};

const report = (message: object): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

try {
  const serving = await serve({ ...options, dataDir: options.dataDir });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    serving.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  // The parent holds the other end of stdin: when it is gone, whatever the reason, so is this process.
  process.stdin.on('end', stop);
  process.stdin.on('close', stop);
  process.stdin.resume();
  // Ctrl-C and process managers reach the whole group of processes; the parent, which may still have to write, decides when
  // the database ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  report({ port: serving.port });
} catch (error) {
  report({ error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
