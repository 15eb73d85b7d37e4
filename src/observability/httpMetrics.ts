import { Counter, Histogram, type Registry } from 'prom-client';
import type { AnsweredRequest } from '../middleware/requestLog.ts';
import { oneOf } from './labels.ts';

/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Measures answers by route. */
export function httpMetrics(registry: Registry) {
  const registers = [registry];
  const duration = new Histogram({
    name: 'artifex_http_request_duration_seconds',
    help: 'Answers, by how long they took to begin',
    labelNames: ['method', 'route'] as const,
    buckets: BUCKETS,
    registers,
  });
  const answers = new Counter({
    name: 'artifex_http_requests_total',
    help: 'Answers, by their status',
    labelNames: ['method', 'route', 'status'] as const,
    registers,
  });
  const methodLabel = oneOf(METHODS);
  return function requestAnswered({ method, route, status, seconds }: AnsweredRequest): void {
    const labels = { method: methodLabel(method), route };
    duration.observe(labels, seconds);
    answers.inc({ ...labels, status });
  };
}
