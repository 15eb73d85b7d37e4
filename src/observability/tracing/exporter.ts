import { ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Log } from '../../config/log.ts';

/** Milliseconds that a collector has for an answer; a shutdown waits for the last one. */
const TIMEOUT_MS = 5_000;

/** The path of traces under the address of a collector (https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp). */
const TRACES_PATH = '/v1/traces';

/** Sends spans by OTLP over HTTP, and says in the log when a collector does not take them: they are lost then. */
export function otlpExporter(endpoint: string, log: Log): SpanExporter {
  const exporter = new OTLPTraceExporter({ url: `${endpoint}${TRACES_PATH}`, timeoutMillis: TIMEOUT_MS });
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) {
          log.warn('the collector did not take the spans', { spans: spans.length, error: result.error?.name });
        }
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}
