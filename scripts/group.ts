/**
 * `node scripts/group.ts COMMAND ...` runs a command, as the first process of a group (`detached` of the caller's `spawn`), and ends the
 * whole group when standard input does: also whatever the command has started, and also when the caller was killed. Ctrl-C in the
 * caller's terminal does not reach it.
 */
import { spawn } from 'node:child_process';

/** Milliseconds that the group has to end by itself. */
const PATIENCE_MS = 3_000;

const [command = '', ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
child.on('error', (error) => {
  console.error(`${command} cannot be started: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code) => endGroup(code ?? 1));
process.stdin.resume().on('end', () => {
  process.on('SIGTERM', () => {});
  process.kill(-process.pid, 'SIGTERM');
  setTimeout(() => endGroup(1), PATIENCE_MS);
});

function endGroup(status: number): never {
  process.exitCode = status;
  process.kill(-process.pid, 'SIGKILL');
  process.exit(status);
}
