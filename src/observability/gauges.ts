import { Gauge, type GaugeConfiguration, type Registry } from 'prom-client';

/**
 * A gauge of what the database tells, asked at each scrape. Without a reading it shows nothing: an old number would look like a new one.
 *
 * @param latest null where there is no reading in time
 * @param show sets every label that there is
 */
export function gaugeOf<Reading, Label extends string>(
  registry: Registry,
  latest: () => Promise<Reading | null>,
  {
    show,
    ...what
  }: Pick<GaugeConfiguration<Label>, 'name' | 'help' | 'labelNames'> & {
    show: (gauge: Gauge<Label>, reading: Reading) => void;
  },
): void {
  new Gauge({
    ...what,
    registers: [registry],
    async collect() {
      this.reset();
      const reading = await latest();
      if (reading !== null) show(this, reading);
    },
  });
}
