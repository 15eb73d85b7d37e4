import { readFileSync } from 'node:fs';

/** Milliseconds of processor time. */
export interface CpuTimes {
  /** Of this process. */
  client: number;
  /** Of the server, where that can be read. */
  server: number | null;
}

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node and Bun run on. */
const MS_A_TICK = 10;

export function cpuTimes(serverPid: number | null): CpuTimes {
  const { user, system } = process.cpuUsage();
  return { client: (user + system) / 1000, server: serverPid === null ? null : timeOf(serverPid) };
}

/** `utime` and `stime` of all threads (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html); null where there is no `/proc`. */
function timeOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; `state` is the first field behind it, `utime` the twelfth.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * MS_A_TICK;
  } catch {
    return null;
  }
}

/** Memory that the process holds, in MiB (`VmRSS`, https://man7.org/linux/man-pages/man5/proc_pid_status.5.html); NaN where there is no `/proc`. */
export function residentMebibytes(pid: number | null): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}
