const TICK_MS = 5;

/** How long each request took, from the moment at which it was due, and what went wrong. */
export interface Paced {
  latencies: number[];
  failures: unknown[];
  /** Until the last one was sent. */
  sendingSeconds: number;
  /** Until the last one was answered. */
  seconds: number;
}

/** Sends so many requests a second, whether the ones before have been answered or not, until there are none. */
export async function atPace(rate: number, next: () => (() => Promise<void>) | null): Promise<Paced> {
  const latencies: number[] = [];
  const failures: unknown[] = [];
  const underWay = new Set<Promise<void>>();
  const began = performance.now();
  let isOver = false;
  for (let sent = 0; !isOver; await sleep(TICK_MS)) {
    for (const due = Math.floor(((performance.now() - began) * rate) / 1000); sent < due && !isOver; sent += 1) {
      const send = next();
      isOver = send === null;
      if (!send) break;
      const dueAt = began + (sent * 1000) / rate;
      const request = send().then(
        () => void latencies.push(performance.now() - dueAt),
        (error: unknown) => void failures.push(error),
      );
      underWay.add(request);
      request.finally(() => underWay.delete(request));
    }
  }
  const sendingSeconds = (performance.now() - began) / 1000;
  await Promise.all(underWay);
  return { latencies, failures, sendingSeconds, seconds: (performance.now() - began) / 1000 };
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
