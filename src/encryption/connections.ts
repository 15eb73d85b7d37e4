import { createKeyring, type Keyring } from './keyring.ts';

const keyrings = new WeakMap<object, Keyring>();
const noKeys = createKeyring([]);

/** From now on the models of that connection seal and open with this ring. Before its first command. */
export function useKeyring(connection: object, keyring: Keyring): void {
  keyrings.set(connection, keyring);
}

export function hasKeyring(connection: object): boolean {
  return keyrings.has(connection);
}

/** The ring of that connection; without one, its data is stored in the clear. */
export function keyringOf(connection: object): Keyring {
  return keyrings.get(connection) ?? noKeys;
}
