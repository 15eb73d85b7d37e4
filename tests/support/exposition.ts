/** One sample of Prometheus' text format. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const COMMENT = /^# (HELP|TYPE) [a-zA-Z_:][\w:]* .+$/;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/**
 * Reads the text format strictly (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
 *
 * @throws {Error} naming the line that is none
 */
export function parseExposition(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('The last line must end with a line feed');
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || COMMENT.test(line)) continue;
    const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
    if (name === undefined || (Number.isNaN(number) && value !== 'Nan')) throw new Error(`Not a sample: ${line}`);
    samples.push({ name, labels: parseLabels(labels, line), value: number });
  }
  return samples;
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    const [whole, name, value] = LABEL.exec(text) ?? [];
    if (whole === undefined || name === undefined || value === undefined) throw new Error(`Not labels: ${line}`);
    labels[name] = value;
    at += whole.length;
  }
  return labels;
}

/** The sum of the samples of that name whose labels say this. */
export function sumOf(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
