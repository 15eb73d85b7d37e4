import type { Connection } from 'mongoose';
import type { TraceRequest } from '../../middleware/traceRequests.ts';

/** What is known of a call before it is made: words of the code, or the name of a host. */
export type CallAttributes = Readonly<Record<string, string | number>>;

/** Header fields that hand the trace on (https://www.w3.org/TR/trace-context/). */
export type TraceHeaders = Readonly<Record<string, string>>;

/** Follows requests through the database and out to other services. An application without it pays nothing for it. */
export interface Tracing {
  traceRequest: TraceRequest;
  /** A span for each command that a traced request sends until it is answered. Before it is opened, with `monitorCommands`. */
  watchConnection(connection: Connection): void;
  /** A span for a call to another service. */
  call<Result>(
    name: string,
    attributes: CallAttributes,
    work: (headers: TraceHeaders) => Promise<Result>,
  ): Promise<Result>;
  /** The runtime's `fetch`, with a span for each call, which is told the trace. */
  fetch: typeof globalThis.fetch;
  /** Sends what has not been sent. After everything that is traced has ended. */
  stop(): Promise<void>;
}
