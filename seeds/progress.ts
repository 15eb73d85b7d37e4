const BAR = 30;
const LINES = 10;

/** Where progress is shown: standard error, or a test's own. */
export interface Screen {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** Shows how far something has come: a bar on a terminal, elsewhere a line for each tenth. */
export function progressBar(label: string, total: number, screen: Screen = process.stderr): (done: number) => void {
  let first: { at: number; done: number } | undefined;
  let shown = 0;
  return (done) => {
    first ??= { at: performance.now(), done };
    if (shown === LINES) return;
    const part = total === 0 ? 1 : Math.min(1, done / total);
    const seconds = Math.max(0.001, (performance.now() - first.at) / 1000);
    const rate = Math.round((done - first.done) / seconds);
    const speed = rate > 0 ? `, ${count(rate)} a second` : '';
    const text = `${Math.floor(part * 100)} % of ${count(total)} ${label}${speed}`;
    if (screen.isTTY) {
      const filled = '#'.repeat(Math.floor(part * BAR)).padEnd(BAR, '.');
      shown = Math.floor(part * LINES);
      screen.write(`\r[${filled}] ${text}   ${part === 1 ? '\n' : ''}`);
    } else if (Math.floor(part * LINES) > shown) {
      shown = Math.floor(part * LINES);
      screen.write(`${text}\n`);
    }
  };
}

const count = (number: number): string => number.toLocaleString('en');
