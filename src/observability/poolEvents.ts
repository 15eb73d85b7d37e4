import type { Connection, mongo } from 'mongoose';

/** How the connection pools of a client stand, all of its servers together. */
export interface PoolState {
  /** Open connections. */
  size: number;
  /** Of these, the ones that a command has. */
  checkedOut: number;
  /** Commands that wait for one. */
  waiting: number;
}

export interface PoolWatch {
  state(): PoolState;
}

/**
 * Follows the pools by the driver's events. Connections that were made before anybody watched are known from their first use on.
 * https://www.mongodb.com/docs/drivers/node/current/monitoring-and-logging/monitoring/#connection-pool-monitoring
 */
export function watchPools(connection: Connection, failed: () => void): PoolWatch {
  const open = new Set<string>();
  const checkedOut = new Set<string>();
  const watched = new WeakSet<mongo.MongoClient>();
  let waiting = 0;

  function watch(): void {
    const client = connection.getClient();
    if (watched.has(client)) return;
    watched.add(client);
    client.on('connectionCreated', (event) => open.add(nameOf(event)));
    client.on('connectionClosed', (event) => {
      open.delete(nameOf(event));
      checkedOut.delete(nameOf(event));
    });
    client.on('connectionCheckOutStarted', () => {
      waiting += 1;
    });
    client.on('connectionCheckOutFailed', () => {
      waiting = Math.max(0, waiting - 1);
      failed();
    });
    client.on('connectionCheckedOut', (event) => {
      waiting = Math.max(0, waiting - 1);
      open.add(nameOf(event));
      checkedOut.add(nameOf(event));
    });
    client.on('connectionCheckedIn', (event) => checkedOut.delete(nameOf(event)));
    client.on('connectionPoolClosed', ({ address }) => {
      for (const set of [open, checkedOut]) {
        for (const name of set) if (name.startsWith(`${address}/`)) set.delete(name);
      }
    });
  }

  connection.on('connected', watch);
  return { state: () => ({ size: open.size, checkedOut: checkedOut.size, waiting }) };
}

function nameOf({ address, connectionId }: { address: string; connectionId: number | '<monitor>' }): string {
  return `${address}/${connectionId}`;
}
