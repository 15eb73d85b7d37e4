import { type Context, type Span, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import type { Connection } from 'mongoose';
import { watchCommands } from '../commandEvents.ts';

/**
 * A span for each command of the database (https://opentelemetry.io/docs/specs/semconv/database/mongodb/), with its name and collection, and
 * nothing of what was asked for.
 *
 * @param spanOf what a command is sent for; without one, or when that has ended, it is no part of a trace
 */
export function traceCommands(connection: Connection, tracer: Tracer, active: () => Context, spanOf: SpanOf): void {
  watchCommands(connection, ({ name, collection }) => {
    const context = active();
    // What a request has set going may run on for as long as the process.
    if (!spanOf(context)?.isRecording()) return undefined;
    const span = tracer.startSpan(
      collection === '' ? name : `${name} ${collection}`,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          'db.system.name': 'mongodb',
          'db.operation.name': name,
          ...(collection !== '' && { 'db.collection.name': collection }),
        },
      },
      context,
    );
    return ({ errors: [error] }) => {
      if (error !== undefined) {
        span.setAttribute('db.response.status_code', String(error));
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    };
  });
}

type SpanOf = (context: Context) => Span | undefined;
