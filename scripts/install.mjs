// Installs the packages, once however many commands begin at once. Plain JavaScript and no packages, like run.mjs, which uses it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two looks at whether others still install, and as many more by chance, so that not all look at once. */
const LOOK_MS = 100;

/** Brings `node_modules` of the folder to its lock file, or waits for another process that does. Ends this one where that fails. */
export async function installWhatIsMissing(root) {
  const stamp = join(root, 'node_modules', '.installed-for');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const isInstalled = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  const turn = turnIn(join(root, '.installing'));
  let isWaiting = false;
  while (!isInstalled()) {
    if (!turn.take()) {
      if (!isWaiting) console.error('Another command is installing the packages; waiting for it ...');
      isWaiting = true;
      await sleep(LOOK_MS + Math.random() * LOOK_MS);
      continue;
    }
    // Somebody may have been ready between the look and the turn.
    const isReady = isInstalled() || (await install(root, turn));
    if (isReady) writeFileSync(stamp, wanted);
    turn.giveBack();
    if (isReady) return;
    console.error('The packages could not be installed; the lines above tell why.');
    process.exit(1);
  }
}

function install(root, turn) {
  console.error('Installing packages (once, and again when they change) ...');
  // Standard output belongs to the task: `$(npm run -s token -- ...)` must catch a token alone.
  const npm = spawn('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  // Where this process is killed, npm goes on, and nobody may begin beside it.
  if (npm.pid !== undefined) turn.share(npm.pid);
  return new Promise((resolve) => {
    npm.on('error', (error) => {
      console.error(`npm cannot be started: ${error.message}`);
      resolve(false);
    });
    npm.on('exit', (code) => resolve(code === 0));
  });
}

/**
 * A turn that one process has at a time. Each that wants it puts a file with its number into the folder and then looks for others: of two
 * at least one sees the other and steps back. What has died does not count, so there is nothing to be taken over.
 */
function turnIn(folder) {
  const mine = new Set();
  const place = (pid) => join(folder, String(pid));

  function share(pid) {
    mine.add(pid);
    writeFileSync(place(pid), '');
  }

  function giveBack() {
    for (const pid of mine) rmSync(place(pid), { force: true });
    mine.clear();
    try {
      rmdirSync(folder);
    } catch {
      // Others are in it, or have just removed it.
    }
  }

  function take() {
    try {
      mkdirSync(folder, { recursive: true });
      share(process.pid);
    } catch (error) {
      // Removed by somebody who was ready, between the two.
      if (error.code === 'ENOENT') return false;
      throw error;
    }
    const others = readdirSync(folder).filter((name) => name !== String(process.pid));
    for (const name of others.filter((other) => !isAlive(Number(other)))) rmSync(place(name), { force: true });
    if (!others.some((name) => isAlive(Number(name)))) return true;
    giveBack();
    return false;
  }

  return { take, share, giveBack };
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // One of another user's.
    return error.code === 'EPERM';
  }
}
