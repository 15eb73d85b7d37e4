/** One line of a result; all rows of a table have the same columns. */
export type Row = Readonly<Record<string, string | number>>;

/** Rows as a Markdown table, numbers to the right. */
export function table(rows: readonly Row[]): string {
  const [first] = rows;
  if (!first) return '(no rows)';
  const columns = Object.keys(first);
  const cells = rows.map((row) => columns.map((column) => String(row[column])));
  const rule = columns.map((column) => (typeof first[column] === 'number' ? '---:' : '---'));
  return [columns, rule, ...cells].map((line) => `| ${line.join(' | ')} |`).join('\n');
}

/** The value below which `share` (0 to 1) of the sorted values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const rounded = (value: number, digits = 0): number => Number(value.toFixed(digits));
