import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startProcess, temporaryFolder } from '../support/processes.ts';

const SCRIPTS = fileURLToPath(new URL('../../scripts', import.meta.url));

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
  await freshClone(folder.path);
});
afterEach(() => folder.remove());

/** The way into the tasks, with a lock file of one package that lies beside it: a `bun` that says that it ran. */
async function freshClone(root: string): Promise<void> {
  for (const name of ['run.mjs', 'install.mjs', 'denoPermissions.mjs']) {
    await cp(join(SCRIPTS, name), join(root, 'scripts', name));
  }
  await mkdir(join(root, 'tiny'));
  const tiny = { name: 'tiny', version: '1.0.0', bin: { bun: 'bun.js' } };
  await writeFile(join(root, 'tiny', 'package.json'), JSON.stringify(tiny));
  await writeFile(join(root, 'tiny', 'bun.js'), "#!/usr/bin/env node\nconsole.log('ran');\n", { mode: 0o755 });
  const dependencies = { tiny: 'file:tiny' };
  const tell = "node -e \"fs.appendFileSync('installs', 'once ')\"";
  await writeFile(
    join(root, 'package.json'),
    JSON.stringify({ name: 'fresh', version: '1.0.0', dependencies, scripts: { postinstall: tell } }),
  );
  const packages = {
    '': { name: 'fresh', version: '1.0.0', dependencies, hasInstallScript: true },
    'node_modules/tiny': { resolved: 'tiny', link: true },
    tiny,
  };
  const lock = { name: 'fresh', version: '1.0.0', lockfileVersion: 3, requires: true, packages };
  await writeFile(join(root, 'package-lock.json'), JSON.stringify(lock));
}

const run = (...args: string[]) => startProcess('node', [join(folder.path, 'scripts', 'run.mjs'), ...args], {});
const command = () => run('token');

describe('first commands in a fresh folder', () => {
  it('install once, however many begin at once, and wait for whoever installs, not for whoever has died', async () => {
    const dead = spawn('node', ['-e', '']);
    await once(dead, 'close');
    const installing = join(folder.path, '.installing');
    await mkdir(installing);
    // This process is one that installs.
    for (const pid of [dead.pid, process.pid]) await writeFile(join(installing, String(pid)), '');
    const commands = [command(), command(), command()];
    await Promise.all(commands.map(({ waitFor }) => waitFor((line) => /waiting for it/.exec(line)?.[0])));
    await rm(join(installing, String(process.pid)));
    await Promise.all(commands.map(({ closed }) => closed));

    expect(commands.map(({ child }) => child.exitCode)).toEqual([0, 0, 0]);
    expect(commands.map(({ output }) => output.at(-1))).toEqual(['ran', 'ran', 'ran']);
    expect(commands.flatMap(({ output }) => output.filter((line) => line.startsWith('Installing')))).toHaveLength(1);
    expect(await readFile(join(folder.path, 'installs'), 'utf8')).toBe('once ');
    expect(await readdir(folder.path)).not.toContain('.installing');
  });

  it.each(['start', 'start:bun', 'worker', 'check:ledger'])(
    'do nothing for %s with an argument, which takes none',
    async (task) => {
      const refused = run(task, '--port', '9000');
      await refused.closed;
      expect(refused.child.exitCode).toBe(2);
      expect(refused.output).toEqual([`npm run ${task} takes no arguments, and got: --port 9000`]);
      expect(await readdir(folder.path)).not.toContain('node_modules');
    },
  );

  it('say why nothing could be installed, and the next one tries again', async () => {
    const lock = join(folder.path, 'package-lock.json');
    const right = await readFile(lock, 'utf8');
    await writeFile(lock, '{}');
    const failed = command();
    await failed.closed;
    expect(failed.child.exitCode).toBe(1);
    expect(failed.output.at(-1)).toBe('The packages could not be installed; the lines above tell why.');
    await writeFile(lock, right);
    const next = command();
    await next.closed;
    expect(next.output.at(-1)).toBe('ran');
  });
});
