import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import manifest from '../../../package.json' with { type: 'json' };
import type { Env } from '../../config/env.ts';
import type { Log } from '../../config/log.ts';
import type { TracedAnswer } from '../../middleware/traceRequests.ts';
import { METHODS } from '../httpMetrics.ts';
import { traceCommands } from './commandSpans.ts';
import { otlpExporter } from './exporter.ts';
import type { TraceHeaders, Tracing } from './tracing.ts';

/** https://opentelemetry.io/docs/specs/semconv/http/http-spans/: what stands for a method that is none. */
const OTHER_METHOD = '_OTHER';

/**
 * Traces by OpenTelemetry's SDK. Nothing of it is global, so that several applications in one process do not trace for each other; and
 * `@hono/otel` is not used, since its spans carry the whole address of a request, with what the caller asks for.
 *
 * A caller's decision on sampling holds; where there is none, `ratio` of the traces are taken.
 */
export function createTracing({ endpoint, serviceName, ratio }: NonNullable<Env['tracing']>, log: Log): Tracing {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': manifest.version }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    // It holds 2,048 spans at most; what a slow collector does not take in time is dropped.
    spanProcessors: [new BatchSpanProcessor({ exporter: otlpExporter(endpoint, log) })],
  });
  const tracer = provider.getTracer('artifex', manifest.version);
  const contexts = new AsyncLocalStorageContextManager().enable();
  const propagator = new W3CTraceContextPropagator();

  /** Does the work as part of a new span, which ends with it. */
  async function within<Result>(
    name: string,
    options: SpanOptions,
    parent: Context,
    work: (span: Span, context: Context) => Promise<Result>,
  ): Promise<Result> {
    const span = tracer.startSpan(name, options, parent);
    const context = trace.setSpan(parent, span);
    try {
      return await contexts.with(context, () => work(span, context));
    } catch (error) {
      // Its message may say what was asked for.
      span.setAttribute('error.type', error instanceof Error ? error.name : typeof error);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }

  function handedOn(context: Context): TraceHeaders {
    const headers: Record<string, string> = {};
    propagator.inject(context, headers, { set: (_, field, value) => Object.assign(headers, { [field]: value }) });
    return headers;
  }

  async function tracedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const { hostname, port } = new URL(request.url);
    const attributes = {
      'http.request.method': request.method,
      'server.address': hostname,
      ...(port !== '' && { 'server.port': Number(port) }),
    };
    const options = { kind: SpanKind.CLIENT, attributes };
    return await within(request.method, options, contexts.active(), async (span, context) => {
      for (const [field, value] of Object.entries(handedOn(context))) request.headers.set(field, value);
      const response = await fetch(request);
      span.setAttribute('http.response.status_code', response.status);
      if (response.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
      return response;
    });
  }

  return {
    async traceRequest(headers, work) {
      const caller = propagator.extract(ROOT_CONTEXT, headers, {
        get: (carrier, field) => carrier.get(field) ?? undefined,
        keys: (carrier) => [...carrier.keys()],
      });
      await within('request', { kind: SpanKind.SERVER }, caller, (span) =>
        work({ traceId: span.spanContext().traceId, answered: (answer) => tell(span, answer) }),
      );
    },
    watchConnection: (connection) => traceCommands(connection, tracer, () => contexts.active(), trace.getSpan),
    call: (name, attributes, work) =>
      within(name, { kind: SpanKind.CLIENT, attributes }, contexts.active(), (_, context) => work(handedOn(context))),
    fetch: Object.assign(tracedFetch, { preconnect: fetch.preconnect }),
    async stop() {
      // The log has been told of spans that could not be sent; that is no reason to end badly.
      await provider.shutdown().catch(() => undefined);
      contexts.disable();
    },
  };
}

/** https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server: an error is what the server did wrong. */
function tell(span: Span, { method, route, status, requestId }: TracedAnswer): void {
  const known = METHODS.includes(method) ? method : OTHER_METHOD;
  span.updateName(`${known} ${route}`);
  span.setAttributes({
    'http.request.method': known,
    'http.route': route,
    'http.response.status_code': status,
    'artifex.request_id': requestId,
  });
  if (status >= 500) {
    span.setAttribute('error.type', String(status));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
}
