#!/usr/bin/env node
import module from 'node:module';
import { parseArgs } from 'node:util';

const USAGE = 'usage: embedded-mongo [--port N] [--data DIR] [--host H] [--replica-set NAME]';

function fail(message: string): never {
  process.stderr.write(`embedded-mongo: ${message}\n`);
  process.exit(1);
}

function readArguments(): { port: number; host: string; dataDir: string | undefined; replicaSet: string } {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '27017' },
        data: { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        'replica-set': { type: 'string', default: 'rs0' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${USAGE}\n`);
      process.exit(0);
    }
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      fail(`--port has to be a number from 0 to 65535, not ${values.port}`);
    return { port, host: values.host, dataDir: values.data, replicaSet: values['replica-set'] };
  } catch (error) {
    fail(`${error instanceof Error ? error.message.split('. ')[0] : String(error)}; ${USAGE}`);
  }
}

const options = readArguments();
try {
  // Compiled code is kept between starts, where the runtime can: it halves the time until the server listens.
  module.enableCompileCache?.();
  const { serve } = await import('./server/serve.ts');
  const serving = await serve(options);
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    serving.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(String(error)),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // Only now: whoever reads the address may end the server at once.
  process.stdout.write(`mongodb://${options.host}:${serving.port}/?directConnection=true\n`);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
