/**
 * What is wrong with a MongoDB connection string, or null when nothing is. The value is never repeated: it may hold a
 * password. https://www.mongodb.com/docs/manual/reference/connection-string/
 */
export function mongodbUriProblem(uri: string): string | null {
  const parts = /^mongodb(\+srv)?:\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(uri);
  if (!parts) {
    return /^mongodb(?:\+srv)?:\/\//.test(uri)
      ? 'is broken (percent-encode `/`, `?`, `#` and `@` in a user name or password)'
      : 'is not a MongoDB address';
  }
  const [, srv, credentials, hosts = '', database = '', options = ''] = parts;
  if (credentials !== undefined && !/^[^:]+(?::[^:]*)?$/.test(credentials)) {
    return 'has broken credentials (percent-encode `:` in a user name or password)';
  }
  if (![credentials ?? '', database, options].every(isPercentEncoded)) {
    return 'has a `%` that starts no percent-encoding';
  }
  if (!hosts.split(',').every((host) => HOST.test(host) && portOf(host) <= 65_535)) {
    return 'names a host that is none';
  }
  if (srv !== undefined && (hosts.includes(',') || hosts.includes(':'))) {
    return 'names several hosts or a port, which mongodb+srv:// does not take';
  }
  if (/[\s\\."$*<>:|]/.test(database)) {
    return 'names a database with a character that no database name may have';
  }
  if (options !== '' && !options.split('&').every((option) => /^[A-Za-z]+=./.test(option))) {
    return 'has a broken option (`name=value`, `&` between)';
  }
  return null;
}

/** Whether a connection string says which database is meant. */
export function namesDatabase(uri: string): boolean {
  return /^mongodb(?:\+srv)?:\/\/[^/?#]+\/[^/?#]/.test(uri);
}

/** A name, an IPv4 or bracketed IPv6 address with an optional port, or a percent-encoded socket path. */
const HOST = /^(?:(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?|%2[Ff][^\s:]+)$/;

function portOf(host: string): number {
  return Number(/:(\d+)$/.exec(host)?.[1] ?? 0);
}

function isPercentEncoded(text: string): boolean {
  return !/%(?![0-9A-Fa-f]{2})/.test(text);
}
